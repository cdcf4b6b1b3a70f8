import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrivateKey } from "@tac/protocol";
import type { Hex } from "viem";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { aggregatorIds, type Layout, providerIds } from "./layout.ts";

const loadOrCreate = (file: string, create: () => string): string => {
  if (!existsSync(file)) writeFileSync(file, create(), { mode: 0o600 });
  return readFileSync(file, "utf8").trim();
};

export type SecretAccount = { privateKey: Hex; account: PrivateKeyAccount };

const loadAccount = (layout: Layout, name: string): SecretAccount => {
  const privateKey = loadOrCreate(join(layout.keysDir, `${name}.key`), generatePrivateKey) as Hex;
  return { privateKey, account: privateKeyToAccount(privateKey) };
};

export type NodeKeys = { file: string; nodePublicKey: string; encryptionPublicKey: string };

/** The two identities of a replica: Ed25519 signs what it says, X25519 receives secrets. Stored as JWKs in one file. */
const loadNodeKeys = (layout: Layout, id: number): NodeKeys => {
  const file = join(layout.keysDir, `aggregator-${id}.node.json`);
  const stored: { signing: { x: string }; encryption: { x: string } } = JSON.parse(
    loadOrCreate(file, () =>
      JSON.stringify({
        signing: PrivateKey.generate("Ed25519").export({ format: "jwk" }),
        encryption: PrivateKey.generate("X25519").export({ format: "jwk" }),
      }),
    ),
  );
  return { file, nodePublicKey: stored.signing.x, encryptionPublicKey: stored.encryption.x };
};

/** Every secret of a local stack: made on first use, read again afterwards, readable by the owner alone. */
export type Keys = {
  deployer: SecretAccount;
  guardian: SecretAccount;
  treasurer: SecretAccount;
  gateway: SecretAccount;
  tariff: SecretAccount;
  billing: SecretAccount;
  orchestratorTenant: SecretAccount;
  providers: Map<
    number,
    { admin: SecretAccount; signing: SecretAccount; payout: SecretAccount; apiKey: string }
  >;
  aggregators: Map<
    number,
    { node: NodeKeys; submitter: SecretAccount; shareFile: string; passphraseFile: string }
  >;
  tokens: { tariffAdmin: string; gatewayAdmin: string; orchestrator: string };
};

const loadToken = (layout: Layout, name: string): string =>
  loadOrCreate(join(layout.keysDir, `${name}.token`), () => randomBytes(24).toString("base64url"));

/** A file with what seals one replica's key shares. */
const loadPassphrase = (layout: Layout, name: string): string => {
  const file = join(layout.keysDir, `${name}.passphrase`);
  loadOrCreate(file, () => randomBytes(24).toString("base64url"));
  return file;
};

export const loadKeys = (layout: Layout): Keys => ({
  deployer: loadAccount(layout, "deployer"),
  guardian: loadAccount(layout, "guardian"),
  treasurer: loadAccount(layout, "treasurer"),
  gateway: loadAccount(layout, "gateway"),
  tariff: loadAccount(layout, "tariff"),
  billing: loadAccount(layout, "billing"),
  orchestratorTenant: loadAccount(layout, "orchestrator-tenant"),
  providers: new Map(
    providerIds.map((id) => [
      id,
      {
        admin: loadAccount(layout, `provider-${id}-admin`),
        signing: loadAccount(layout, `provider-${id}-signing`),
        payout: loadAccount(layout, `provider-${id}-payout`),
        apiKey: loadToken(layout, `provider-${id}-api`),
      },
    ]),
  ),
  aggregators: new Map(
    aggregatorIds.map((id) => [
      id,
      {
        node: loadNodeKeys(layout, id),
        submitter: loadAccount(layout, `aggregator-${id}-submitter`),
        shareFile: join(layout.keysDir, `aggregator-${id}.share`),
        passphraseFile: loadPassphrase(layout, `aggregator-${id}`),
      },
    ]),
  ),
  tokens: {
    tariffAdmin: loadToken(layout, "tariff-admin"),
    gatewayAdmin: loadToken(layout, "gateway-admin"),
    orchestrator: loadToken(layout, "orchestrator"),
  },
});
