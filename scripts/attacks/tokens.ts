import { UsageAuth } from "@tac/protocol";
import { generatePrivateKey } from "viem/accounts";
import { type Attack, type AttackGroup, type Outcome, refused } from "./Attack.ts";
import type { Attacker } from "./Attacker.ts";
import { chatBody, claimsOf } from "./Scene.ts";

const invalid = refused(401, "invalid_usage_auth");

/** Sends a call under a token, with a proof that is right in everything else. */
const present = (by: Attacker, token: string): Promise<Outcome> => by.send({ body: chatBody(), token });

const bytesOf = (token: string): Buffer => Buffer.from(token, "base64url");

/** Every place of `search` gets `replacement` of the same length. */
const replaced = (token: string, search: Uint8Array, replacement: Uint8Array): string => {
  const bytes = bytesOf(token);
  const at = bytes.indexOf(search);
  if (at === -1) throw new Error("The token does not hold these bytes.");
  Buffer.from(replacement).copy(bytes, at);
  return bytes.toString("base64url");
};

const coordinate = (text: string): Buffer => Buffer.from(text, "base64url");

const forgeries: Attack[] = [
  {
    name: "no token at all",
    expected: invalid,
    run: ({ honest }) => honest.send({ body: chatBody() }),
  },
  {
    name: "a token issued by a key that is no gateway's",
    expected: invalid,
    run: ({ honest, victim }) =>
      present(honest, UsageAuth.issue(claimsOf(victim.token), generatePrivateKey())),
  },
  {
    name: "cnf swapped for the attacker's key, signature left",
    expected: invalid,
    run: ({ attacker, victim }) => {
      const { x, y } = victim.holder.jwk;
      const own = attacker.holder.jwk;
      const swapped = replaced(victim.token, coordinate(x), coordinate(own.x));
      return present(attacker, replaced(swapped, coordinate(y), coordinate(own.y)));
    },
  },
  {
    name: "cnf swapped and signed anew by the attacker",
    expected: invalid,
    run: ({ attacker, victim }) =>
      present(
        attacker,
        UsageAuth.issue({ ...claimsOf(victim.token), jwk: attacker.holder.jwk }, generatePrivateKey()),
      ),
  },
  {
    name: "one bit of the signature changed",
    expected: invalid,
    run: ({ honest, victim }) => {
      const bytes = bytesOf(victim.token);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 9) ^ 1, bytes.length - 9);
      return present(honest, bytes.toString("base64url"));
    },
  },
  {
    name: "an expired token",
    expected: refused(401, "usage_auth_expired"),
    run: ({ honest, victim, stack }) => {
      const now = Math.floor(Date.now() / 1000);
      const stale = {
        ...claimsOf(victim.token),
        issuedAt: now - 900,
        notBefore: now - 900,
        expiresAt: now - 300,
      };
      return present(honest, UsageAuth.issue(stale, stack.keys.gateway.privateKey));
    },
  },
  {
    name: "a token that is not valid yet",
    expected: invalid,
    run: ({ honest, victim, stack }) => {
      const now = Math.floor(Date.now() / 1000);
      const early = {
        ...claimsOf(victim.token),
        issuedAt: now + 300,
        notBefore: now + 300,
        expiresAt: now + 600,
      };
      return present(honest, UsageAuth.issue(early, stack.keys.gateway.privateKey));
    },
  },
  {
    name: "a good token for the status of another job",
    expected: refused(403, "wrong_job"),
    run: ({ honest, victim, other }) =>
      honest.send({ method: "GET", path: `/v1/jobs/${other.job.jobId}`, token: victim.token }),
  },
];

/** CBOR by hand: what no encoder of ours would write. */
const nested = (depth: number): Buffer => Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.from([0])]);
const duplicateKeys = Buffer.from([
  0x84, 0x43, 0xa1, 0x01, 0x26, 0xa2, 0x01, 0x00, 0x01, 0x00, 0x41, 0x00, 0x41, 0x00,
]);

const encodings: Attack[] = [
  {
    name: "an oversized token",
    expected: invalid,
    run: ({ honest }) => present(honest, "A".repeat(6_000)),
  },
  {
    name: "CBOR nested two thousand deep",
    expected: invalid,
    run: ({ honest }) => present(honest, nested(2_000).toString("base64url")),
  },
  {
    name: "duplicate CBOR map keys",
    expected: invalid,
    run: ({ honest }) => present(honest, duplicateKeys.toString("base64url")),
  },
  {
    name: "the COSE tag 18 in front",
    expected: invalid,
    run: ({ honest, victim }) =>
      present(honest, Buffer.concat([Buffer.from([0xd2]), bytesOf(victim.token)]).toString("base64url")),
  },
  {
    name: "a byte after the end",
    expected: invalid,
    run: ({ honest, victim }) =>
      present(honest, Buffer.concat([bytesOf(victim.token), Buffer.from([0])]).toString("base64url")),
  },
  {
    name: "the list length written in two bytes instead of one",
    expected: invalid,
    run: ({ honest, victim }) =>
      present(
        honest,
        Buffer.concat([Buffer.from([0x98, 0x04]), bytesOf(victim.token).subarray(1)]).toString("base64url"),
      ),
  },
  {
    name: "an integer claim rewritten as a float",
    expected: invalid,
    run: ({ honest, victim }) => present(honest, asFloat(victim.token)),
  },
  {
    name: "base64 with padding",
    expected: invalid,
    run: ({ honest, victim }) => present(honest, `${victim.token}=`),
  },
  {
    name: "base64 in the other alphabet, or with set bits after the end",
    expected: invalid,
    run: async ({ honest, victim }) => {
      const spelling = otherSpelling(victim.token);
      if (!bytesOf(spelling).equals(bytesOf(victim.token))) throw new Error("This is no second spelling.");
      return present(honest, spelling);
    },
  },
];

/** The first integer of the protected header (alg -47: 0x382e) as a half float of the same size plus one. */
const asFloat = (token: string): string => {
  const bytes = bytesOf(token);
  const at = bytes.indexOf(Buffer.from([0x01, 0x38, 0x2e]));
  const floated = [bytes.subarray(0, at + 1), Buffer.from([0xf9, 0xd1, 0xe0]), bytes.subarray(at + 3)];
  return Buffer.concat(floated).toString("base64url");
};

/** Other text for the same bytes: a decoder that is not strict would take it. */
const otherSpelling = (token: string): string => {
  if (/[-_]/.test(token)) return token.replaceAll("-", "+").replaceAll("_", "/");
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return `${token.slice(0, -1)}${alphabet[alphabet.indexOf(token.slice(-1)) + 1] ?? ""}`;
};

export const tokens: AttackGroup[] = [
  { name: "Tokens forged or misused", attacks: forgeries },
  { name: "Tokens encoded otherwise", attacks: encodings },
];
