import { randomBytes } from "node:crypto";
import { Capability, HolderKey, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { type Attack, type AttackGroup, type Outcome, refused } from "./Attack.ts";
import type { Attacker } from "./Attacker.ts";
import { lockBody, type Scene, type Victim } from "./Scene.ts";

type Change = (capability: Capability.Capability) => Capability.Capability;
type Signer = (capability: Capability.Capability, domain: Wire.Domain) => Promise<Hex>;

const nowSeconds = (): bigint => BigInt(Math.floor(Date.now() / 1000));

/** A job of its own: the quote is good, the salt is new, so that only what `change` does can be refused. */
const grant = async (
  scene: Scene,
  victim: Victim,
  change: Change,
  sign?: Signer,
): Promise<{ body: string; capability: Capability.Capability }> => {
  const salt = Wire.toHex(randomBytes(32));
  const { tenant } = victim.job.capability;
  const capability = change({
    ...victim.job.capability,
    salt,
    jobId: Capability.jobId(tenant, salt),
  });
  const honest: Signer = (signed, domain) =>
    victim.account.signTypedData(Capability.typedData(signed, domain));
  const capabilitySignature = await (sign ?? honest)(capability, scene.domains.capability);
  const body = lockBody(victim.job, { capability: Capability.toJson(capability), capabilitySignature });
  return { body, capability };
};

const lock = async (scene: Scene, by: Attacker, change: Change, sign?: Signer): Promise<Outcome> => {
  const { body } = await grant(scene, scene.victim, change, sign);
  return by.send({ path: "/v1/jobs/lock", body });
};

const lockChanged = (name: string, code: string, status: number, change: Change): Attack => ({
  name,
  expected: refused(status, code),
  run: (scene) => lock(scene, scene.honest, change),
});

const bySigner = (name: string, sign: (scene: Scene) => Signer): Attack => ({
  name,
  expected: refused(401, "invalid_signature"),
  run: (scene) => lock(scene, scene.honest, (capability) => capability, sign(scene)),
});

/** The same signature with s mirrored: valid mathematics, refused by every contract that takes it. */
const malleated = (signature: Hex): Hex => {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const bytes = Wire.fromHex(signature, 65);
  const s = order - BigInt(Wire.toHex(bytes.subarray(32, 64)));
  const v = bytes[64] === 27 ? 28 : 27;
  return Wire.toHex(
    Buffer.concat([
      bytes.subarray(0, 32),
      Buffer.from(s.toString(16).padStart(64, "0"), "hex"),
      Buffer.from([v]),
    ]),
  );
};

const grants: Attack[] = [
  lockChanged("an expired capability", "capability_expired", 401, (capability) => ({
    ...capability,
    validAfter: nowSeconds() - 900n,
    expiresAt: nowSeconds() - 60n,
  })),
  lockChanged("a capability that is not valid yet", "capability_not_yet_valid", 401, (capability) => ({
    ...capability,
    validAfter: nowSeconds() + 600n,
    expiresAt: nowSeconds() + 900n,
  })),
  lockChanged("more credit than was quoted", "quote_mismatch", 409, (capability) => ({
    ...capability,
    maxSpendNano: capability.maxSpendNano + 1n,
  })),
  lockChanged("a capability for another quote", "quote_mismatch", 409, (capability) => ({
    ...capability,
    quoteHash: Wire.toHex(randomBytes(32)),
  })),
  lockChanged("the job id of another tenant's salt", "invalid_capability", 401, (capability) => ({
    ...capability,
    jobId: Wire.toHex(randomBytes(32)),
  })),
  lockChanged("a holder that is not the key of the request", "invalid_proof", 401, (capability) => ({
    ...capability,
    holder: HolderKey.thumbprint(HolderKey.generate().jwk),
  })),
  bySigner(
    "a capability signed by someone else",
    () => (capability, domain) =>
      privateKeyToAccount(generatePrivateKey()).signTypedData(Capability.typedData(capability, domain)),
  ),
  bySigner(
    "a capability signed for another chain",
    ({ victim }) =>
      (capability, domain) =>
        victim.account.signTypedData(
          Capability.typedData(capability, { ...domain, chainId: domain.chainId + 1 }),
        ),
  ),
  bySigner(
    "a capability signed for another contract",
    ({ victim, domains }) =>
      (capability, domain) =>
        victim.account.signTypedData(
          Capability.typedData(capability, {
            ...domain,
            verifyingContract: domains.usageReceipts.verifyingContract,
          }),
        ),
  ),
  bySigner(
    "a malleated signature",
    ({ victim }) =>
      async (capability, domain) =>
        malleated(await victim.account.signTypedData(Capability.typedData(capability, domain))),
  ),
  {
    name: "the binding lowered after signing",
    expected: refused(401, "invalid_signature"),
    run: (scene) =>
      lock(
        scene,
        scene.honest,
        (capability) => ({ ...capability, binding: Capability.BINDING_NONCE }),
        (capability, domain) =>
          scene.victim.account.signTypedData(
            Capability.typedData({ ...capability, binding: Capability.BINDING_EXPORTER }, domain),
          ),
      ),
  },
  {
    name: "another tenant's lock request from the attacker's connection",
    expected: refused(401, "invalid_proof"),
    run: (scene) => lock(scene, scene.attacker, (capability) => capability),
  },
];

export const capabilities: AttackGroup[] = [{ name: "Capabilities", attacks: grants }];
