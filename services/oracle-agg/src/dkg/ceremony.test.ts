import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CeremonyNodes, createCeremonyNodes, setOf } from "../../test/support/ceremonyNodes.ts";
import { type AggregatorSet, publicKeyOf } from "../keys/AggregatorSet.ts";
import type { KeyShare } from "../keys/KeyShare.ts";
import { generateNodeKey, type NodeKey } from "../keys/NodeKey.ts";
import { commit, evaluate, randomPolynomial, scalarToHex } from "./feldman.ts";
import { type Round1Message, type Round2Message, signMessage } from "./messages.ts";
import { type CeremonyGoal, runCeremony } from "./runCeremony.ts";
import { openShare, sealShare } from "./sealedShare.ts";
import { readTranscript } from "./Transcript.ts";

let world: CeremonyNodes;
let nodes: NodeKey[];
let set: AggregatorSet;
let first: CeremonyGoal;

const nodeAt = (index: number): NodeKey => {
  const node = nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
};
const sharesOf = (holders: readonly NodeKey[], keyEpoch: number): KeyShare[] =>
  holders.map((node) => world.shareOf(node, keyEpoch));

const MESSAGE: Hex = `0x${"5a".repeat(32)}`;

/** What these shares sign together. */
const signWith = (shares: readonly KeyShare[]): Hex =>
  ThresholdBls.combine(
    shares.map(({ replica, share }) => ({
      index: replica,
      signature: ThresholdBls.partialSign(MESSAGE, share),
    })),
  );

const transcriptOf = (node: NodeKey) =>
  readTranscript(
    readFileSync(`${world.keyFile(node)}.transcript`, "utf8"),
    publicKeyOf("Ed25519", node.nodePublicKey),
  );

beforeEach(() => {
  world = createCeremonyNodes();
  nodes = [1, 2, 3, 4].map(() => world.add());
  set = world.approve(setOf(nodes, 3));
  first = { set, keyEpoch: 1, from: null };
});

afterEach(() => world.remove());

describe("dealerless key generation of four replicas", () => {
  test("any three of four sign under the group key, two do not, and possession is proven", async () => {
    const key = await runCeremony(first, world.peerOf);
    const shares = sharesOf(nodes, 1);
    expect(new Set(shares.map(({ share }) => share)).size).toBe(4);
    expect(new Set(shares.map(({ transcriptHash }) => transcriptHash))).toEqual(
      new Set([key.transcriptHash]),
    );
    const possession = ThresholdBls.possessionMessage(key.groupPublicKey);
    expect(
      ThresholdBls.verify(possession, key.possessionProof, key.groupPublicKey, ThresholdBls.POSSESSION_DST),
    ).toBe(true);
    for (const { replica, share } of shares)
      expect(ThresholdBls.publicKey(share)).toBe(key.publicShares[replica - 1]?.publicShare);
    const signatures = [0, 1, 2, 3].map((left) => signWith(shares.filter((_, index) => index !== left)));
    expect(new Set(signatures).size).toBe(1);
    expect(ThresholdBls.verify(MESSAGE, signatures[0] ?? "0x", key.groupPublicKey)).toBe(true);
    expect(ThresholdBls.verify(MESSAGE, signWith(shares.slice(0, 2)), key.groupPublicKey)).toBe(false);
  });

  test("the key file is sealed and for the owner alone, the ceremony's secrets are gone, and no file shows the share", async () => {
    await runCeremony(first, world.peerOf);
    const { share } = world.shareOf(nodeAt(0), 1);
    expect(statSync(`${world.keyFile(nodeAt(0))}.epoch-1`).mode & 0o777).toBe(0o600);
    expect(existsSync(`${world.keyFile(nodeAt(0))}.ceremony`)).toBe(false);
    for (const name of readdirSync(world.folder))
      expect(readFileSync(`${world.folder}/${name}`, "utf8")).not.toContain(share.slice(2));
  });

  test("a ceremony that broke off at any step goes on, and a finished one reports the same key again", async () => {
    for (const step of ["round1", "round2", "round3", "possession", "finish"] as const) {
      const broken = world.withPeer(nodeAt(2), () => ({
        [step]: async () => {
          throw new Error(`connection reset in ${step}`);
        },
      }));
      await expect(runCeremony(first, broken)).rejects.toThrow(`connection reset in ${step}`);
    }
    const resumed = await runCeremony(first, world.peerOf);
    expect(await runCeremony(first, world.peerOf)).toEqual(resumed);
    expect(new Set(sharesOf(nodes, 1).map(({ groupPublicKey }) => groupPublicKey))).toEqual(
      new Set([resumed.groupPublicKey]),
    );
    // Only the first break came before all had committed, so one more attempt was all it took.
    expect(world.shareOf(nodeAt(0), 1).plan.attempt).toBeLessThanOrEqual(2);
  });

  test("a replica that lost its progress starts a new attempt together with the others", async () => {
    const broken = world.withPeer(nodeAt(1), () => ({
      round2: async () => {
        throw new Error("gone");
      },
    }));
    await expect(runCeremony(first, broken)).rejects.toThrow("gone");
    rmSync(`${world.keyFile(nodeAt(3))}.ceremony`);
    await runCeremony(first, world.peerOf);
    expect(world.shareOf(nodeAt(3), 1).plan.attempt).toBe(2);
  });

  test("a replica with a key in use takes part in no other ceremony for its epoch, nor with a set it does not know", async () => {
    await runCeremony(first, world.peerOf);
    const plan = world.shareOf(nodeAt(0), 1).plan;
    expect(() => world.ceremonyOf(nodeAt(0)).round1({ ...plan, attempt: 2 })).toThrow(
      "already has a key share",
    );
    const foreign = { ...plan, keyEpoch: 2, membership: "ab".repeat(32) };
    expect(() => world.ceremonyOf(nodeAt(0)).round1(foreign)).toThrow("does not know the set");
  });
});

describe("whoever cheats is noticed and named", () => {
  test("a relay that alters a commitment", async () => {
    const altered = world.withPeer(nodeAt(1), ({ round1 }) => ({
      round1: async (plan): Promise<Round1Message> => {
        const message = await round1(plan);
        return { ...message, commitments: [...message.commitments].reverse() };
      },
    }));
    await expect(runCeremony(first, altered)).rejects.toThrow("of replica 2 is not signed by it");
  });

  test("a relay that misdirects encrypted shares", async () => {
    const swapped = new Map([
      [1, 3],
      [3, 1],
    ]);
    const altered = world.withPeer(nodeAt(1), ({ round2 }) => ({
      round2: async (plan, round1): Promise<Round2Message[]> =>
        (await round2(plan, round1)).map((message) => ({
          ...message,
          to: swapped.get(message.to) ?? message.to,
        })),
    }));
    await expect(runCeremony(first, altered)).rejects.toThrow("of replica 2 is not signed by it");
  });

  test("a relay that alters a confirmation: no key is stored", async () => {
    const altered = world.withPeer(nodeAt(1), ({ round3 }) => ({
      round3: async (...input) => ({ ...(await round3(...input)), transcriptHash: `0x${"00".repeat(32)}` }),
    }));
    await expect(runCeremony(first, altered)).rejects.toThrow("of replica 2 is not signed by it");
    expect(world.ringOf(nodeAt(0)).keys).toEqual([]);
  });

  test("a dealer without a proof of knowledge, here one who takes over another's commitments", async () => {
    let stolen: Round1Message | undefined;
    const peerOf = world.withPeer(nodeAt(0), ({ round1 }) => ({
      round1: async (plan) => {
        stolen = await round1(plan);
        return stolen;
      },
    }));
    const liar = nodeAt(2);
    const cheating: typeof peerOf = (entry) =>
      entry.nodePublicKey !== liar.nodePublicKey
        ? peerOf(entry)
        : {
            ...peerOf(entry),
            round1: async (plan) => {
              await peerOf(entry).round1(plan);
              while (stolen === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
              const { signature: _signature, ...content } = stolen;
              return signMessage<Round1Message>("round1", { ...content, from: 3 }, liar.signing);
            },
          };
    await expect(runCeremony(first, cheating)).rejects.toThrow("Replica 3 broke the rules");
  });

  test("a dealer whose sealed share does not fit its commitments: the receiver keeps a signed complaint", async () => {
    const liar = nodeAt(2);
    const cheating = world.withPeer(liar, ({ round2 }) => ({
      round2: async (plan, round1) =>
        (await round2(plan, round1)).map((message) => {
          if (message.to !== 1) return message;
          const { ceremonyId, from, to } = message;
          const sealedShare = sealShare(Buffer.alloc(32, 7), nodeAt(0).encryptionPublicKey, {
            ceremonyId,
            from,
            to,
          });
          return signMessage<Round2Message>("round2", { ceremonyId, from, to, sealedShare }, liar.signing);
        }),
    }));
    await expect(runCeremony(first, cheating)).rejects.toThrow(
      "Replica 3 broke the rules of the ceremony: the share it sealed does not fit",
    );
    const complaint = transcriptOf(nodeAt(0)).find(({ event }) => event === "complaint");
    expect(complaint?.content).toMatchObject({ from: 1, accused: 3 });
    expect(world.ringOf(nodeAt(1)).keys).toEqual([]);
  });

  test("a transcript with a line left out or altered", async () => {
    await runCeremony(first, world.peerOf);
    const node = nodeAt(0);
    const lines = readFileSync(`${world.keyFile(node)}.transcript`, "utf8")
      .trimEnd()
      .split("\n");
    const publicKey = publicKeyOf("Ed25519", node.nodePublicKey);
    expect(readTranscript(lines.join("\n"), publicKey).at(-1)?.event).toBe("finished");
    const shorter = lines.filter((_, index) => index !== 1).join("\n");
    expect(() => readTranscript(shorter, publicKey)).toThrow("Line 2 of the transcript does not follow");
    const altered = lines.map((line, index) => (index === 1 ? line.replace('"from":1', '"from":2') : line));
    expect(() => readTranscript(altered.join("\n"), publicKey)).toThrow(
      "Line 2 of the transcript is not signed",
    );
  });
});

describe("resharing", () => {
  const fromFirst = (to: AggregatorSet): CeremonyGoal => ({
    set: to,
    keyEpoch: 2,
    from: { set, keyEpoch: 1 },
  });

  test.each([
    { size: 5, threshold: 4, kept: 4 },
    { size: 4, threshold: 3, kept: 4 },
    { size: 3, threshold: 2, kept: 3 },
    { size: 5, threshold: 3, kept: 1 },
  ])(
    "to $size nodes, $kept of the old, $threshold of which sign under the same group key",
    async ({ size, threshold, kept }) => {
      const key = await runCeremony(first, world.peerOf);
      const holders = [...nodes.slice(0, kept), ...Array.from({ length: size - kept }, () => world.add())];
      const reshared = await runCeremony(fromFirst(world.approve(setOf(holders, threshold))), world.peerOf);
      expect(reshared.groupPublicKey).toBe(key.groupPublicKey);
      expect(reshared.keyEpoch).toBe(2);
      const shares = sharesOf(holders, 2);
      const isSigned = (signers: readonly KeyShare[]): boolean =>
        ThresholdBls.verify(MESSAGE, signWith(signers), key.groupPublicKey);
      expect(isSigned(shares.slice(0, threshold))).toBe(true);
      expect(isSigned(shares.slice(-threshold))).toBe(true);
      expect(isSigned(shares.slice(0, threshold - 1))).toBe(false);
      // Old shares and new ones lie on different polynomials.
      expect(isSigned([...sharesOf(nodes.slice(0, 1), 1), ...shares.slice(1, threshold)])).toBe(false);
    },
  );

  test("goes on after it broke off at any step, with the same dealers", async () => {
    await runCeremony(first, world.peerOf);
    const goal = fromFirst(world.approve(setOf([...nodes, world.add()], 4)));
    for (const step of ["round1", "round2", "round3", "possession", "finish"] as const) {
      const broken = world.withPeer(nodeAt(1), () => ({
        [step]: async () => {
          throw new Error(`connection reset in ${step}`);
        },
      }));
      await expect(runCeremony(goal, broken)).rejects.toThrow(`connection reset in ${step}`);
    }
    const key = await runCeremony(goal, world.peerOf);
    expect(world.shareOf(nodeAt(3), 2).plan.from?.dealers).toEqual([1, 2, 3]);
    expect(await runCeremony(goal, world.peerOf)).toEqual(key);
  });

  test("recovers a lost share from any three of four, and says so when only two are left", async () => {
    await runCeremony(first, world.peerOf);
    const lost = world.shareOf(nodeAt(1), 1).share;
    rmSync(`${world.keyFile(nodeAt(1))}.epoch-1`);
    await runCeremony(fromFirst(set), world.peerOf);
    expect(world.shareOf(nodeAt(0), 2).plan.from?.dealers).toEqual([1, 3, 4]);
    expect(world.shareOf(nodeAt(1), 2).share).not.toBe(lost);
    rmSync(`${world.keyFile(nodeAt(0))}.epoch-2`);
    rmSync(`${world.keyFile(nodeAt(2))}.epoch-2`);
    const third = { set, keyEpoch: 3, from: { set, keyEpoch: 2 } };
    await expect(runCeremony(third, world.peerOf)).rejects.toThrow("only 2, 4 can");
  });

  test("names a dealer that deals another secret than its share", async () => {
    const key = await runCeremony(first, world.peerOf);
    const liar = nodeAt(1);
    const coefficients = randomPolynomial(12_345n, 3);
    const cheating = world.withPeer(liar, ({ round1, round2 }) => ({
      round1: async (plan) => {
        const { signature: _signature, ...content } = await round1(plan);
        return signMessage<Round1Message>(
          "round1",
          { ...content, commitments: commit(coefficients) },
          liar.signing,
        );
      },
      round2: async (plan, messages) =>
        (await round2(plan, messages).catch((): Round2Message[] => [])).map(({ ceremonyId, from, to }) => {
          const bytes = Buffer.from(scalarToHex(evaluate(coefficients, to)).slice(2), "hex");
          const recipient = set.replicas[to - 1]?.encryptionPublicKey ?? "";
          const sealedShare = sealShare(bytes, recipient, { ceremonyId, from, to });
          return signMessage<Round2Message>("round2", { ceremonyId, from, to, sealedShare }, liar.signing);
        }),
    }));
    await expect(runCeremony(fromFirst(set), cheating)).rejects.toThrow(
      "Replica 2 broke the rules of the ceremony: it deals another secret than its share",
    );
    expect(world.ringOf(nodeAt(0)).ofEpoch(2)).toBeNull();
    expect(world.shareOf(nodeAt(0), 1).groupPublicKey).toBe(key.groupPublicKey);
  });

  test("destroys shares of past epochs, keeps their public part, and refuses ceremonies for the past", async () => {
    await runCeremony(first, world.peerOf);
    const key = await runCeremony(fromFirst(set), world.peerOf);
    const ring = world.ringOf(nodeAt(0));
    const file = `${world.keyFile(nodeAt(0))}.epoch-1`;
    expect(existsSync(file)).toBe(true);
    expect(ring.destroyBefore(2)).toEqual([1]);
    expect(existsSync(file)).toBe(false);
    expect(world.ringOf(nodeAt(0)).publicOf(1)?.groupPublicKey).toBe(key.groupPublicKey);
    expect(world.ringOf(nodeAt(0)).keys.map(({ keyEpoch }) => keyEpoch)).toEqual([2]);
  });
});

test("a sealed share opens only for its recipient and context", () => {
  const [alice, bob] = [generateNodeKey(), generateNodeKey()];
  const context = { ceremonyId: "c", from: 1, to: 2 };
  const sealed = sealShare(Buffer.alloc(32, 7), bob.encryptionPublicKey, context);
  expect(Buffer.from(openShare(sealed, bob.encryption, context))).toEqual(Buffer.alloc(32, 7));
  expect(() => openShare(sealed, alice.encryption, context)).toThrow();
  expect(() => openShare(sealed, bob.encryption, { ...context, from: 3 })).toThrow();
  const flipped = Buffer.from(sealed, "base64url");
  flipped[40] = (flipped[40] ?? 0) ^ 1;
  expect(() => openShare(flipped.toString("base64url"), bob.encryption, context)).toThrow();
});
