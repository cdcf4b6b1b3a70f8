import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { PrivateKey } from "@tac/protocol";
import { z } from "zod";

const okpSchema = (crv: "Ed25519" | "X25519") =>
  z.object({ kty: z.literal("OKP"), crv: z.literal(crv), x: z.string(), d: z.string() });

const nodeKeySchema = z.object({ signing: okpSchema("Ed25519"), encryption: okpSchema("X25519") });

/** The two identities of a replica: Ed25519 signs what it says, X25519 receives secrets. */
export type NodeKey = {
  signing: KeyObject;
  encryption: KeyObject;
  /** Raw public keys, base64url, as they stand in AGGREGATORS_FILE. */
  nodePublicKey: string;
  encryptionPublicKey: string;
};

const fromJwks = (signingJwk: JsonWebKey, encryptionJwk: JsonWebKey): NodeKey => {
  const signing = createPrivateKey({ key: signingJwk, format: "jwk" });
  const encryption = createPrivateKey({ key: encryptionJwk, format: "jwk" });
  const rawPublic = (key: KeyObject): string => String(createPublicKey(key).export({ format: "jwk" }).x);
  return {
    signing,
    encryption,
    nodePublicKey: rawPublic(signing),
    encryptionPublicKey: rawPublic(encryption),
  };
};

/** Reads NODE_KEY_FILE: `{signing, encryption}`, two private OKP JWKs (RFC 8037). */
export const loadNodeKey = (file: string): NodeKey => {
  const { signing, encryption } = nodeKeySchema.parse(JSON.parse(readFileSync(file, "utf8")));
  return fromJwks(signing, encryption);
};

/** A fresh pair of identities. */
export const generateNodeKey = (): NodeKey =>
  fromJwks(
    PrivateKey.generate("Ed25519").export({ format: "jwk" }),
    PrivateKey.generate("X25519").export({ format: "jwk" }),
  );

/** What NODE_KEY_FILE holds for this key. */
export const nodeKeyToJson = (key: NodeKey): string =>
  JSON.stringify({
    signing: key.signing.export({ format: "jwk" }),
    encryption: key.encryption.export({ format: "jwk" }),
  });
