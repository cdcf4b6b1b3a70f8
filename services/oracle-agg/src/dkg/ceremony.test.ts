import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ThresholdBls } from "@tac/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import { readKeyShare } from "../keys/KeyShare.ts";
import { generateNodeKey, type NodeKey } from "../keys/NodeKey.ts";
import { Ceremony } from "./Ceremony.ts";
import type { Confirmation, Round1Message, Round2Message } from "./messages.ts";
import { type DkgPeer, runCeremony } from "./runCeremony.ts";
import { openShare, sealShare } from "./sealedShare.ts";

let folder: string;
let nodeKeys: NodeKey[];
let set: AggregatorSet;

const keyFile = (id: number) => join(folder, `share-${id}.json`);

const ceremonyOf = (id: number, onReady = () => {}): Ceremony => {
  const nodeKey = nodeKeys[id - 1];
  if (nodeKey === undefined) throw new Error(`no node key ${id}`);
  return new Ceremony({ set, replica: id, nodeKey, keyFile: keyFile(id), onReady });
};

/** Everything passes through JSON, as over HTTP, and a fresh object answers each call, as after a restart. */
const relayed = (id: number): DkgPeer => {
  const json = <T>(value: T): T => JSON.parse(JSON.stringify(value));
  return {
    status: async () => json(ceremonyOf(id).status()),
    round1: async (attempt) => json(ceremonyOf(id).round1(attempt)),
    round2: async (attempt, round1) => json(ceremonyOf(id).round2(attempt, json(round1))),
    round3: async (attempt, round1, round2) =>
      json(ceremonyOf(id).round3(attempt, json(round1), json(round2))),
    possession: async (attempt, confirmations) => json(ceremonyOf(id).possession(attempt, confirmations)),
    finish: async (attempt, confirmations, proof) =>
      void ceremonyOf(id).finish(attempt, confirmations, proof),
  };
};

const peers = (): DkgPeer[] => [1, 2, 3, 4].map(relayed);

const peer = (all: DkgPeer[], id: number): DkgPeer => {
  const found = all[id - 1];
  if (found === undefined) throw new Error(`no peer ${id}`);
  return found;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tac-dkg-"));
  nodeKeys = [1, 2, 3, 4].map(() => generateNodeKey());
  set = {
    laneId: 0,
    threshold: 3,
    replicas: nodeKeys.map(({ nodePublicKey, encryptionPublicKey }, index) => ({
      id: index + 1,
      url: `http://127.0.0.1:${9101 + index}`,
      nodePublicKey,
      encryptionPublicKey,
    })),
  };
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("dealerless key generation of four replicas", () => {
  test("any three of four sign under the group key, two do not, and possession is proven", async () => {
    const key = await runCeremony(set, peers());
    const shares = [1, 2, 3, 4].map((id) => {
      const share = readKeyShare(keyFile(id));
      if (share === null) throw new Error("no share");
      return share;
    });
    expect(new Set(shares.map(({ share }) => share)).size).toBe(4);
    expect(new Set(shares.map(({ transcriptHash }) => transcriptHash))).toEqual(
      new Set([key.transcriptHash]),
    );
    const possession = ThresholdBls.possessionMessage(key.groupPublicKey);
    expect(
      ThresholdBls.verify(possession, key.possessionProof, key.groupPublicKey, ThresholdBls.POSSESSION_DST),
    ).toBe(true);

    const message = `0x${"5a".repeat(32)}` as const;
    const partials = shares.map(({ replica, share }) => ({
      index: replica,
      signature: ThresholdBls.partialSign(message, share),
    }));
    partials.forEach((partial, index) => {
      const publicShare = key.publicShares[index]?.publicShare ?? "0x";
      expect(ThresholdBls.verifyPartial(message, partial.signature, publicShare)).toBe(true);
    });
    const signatures = [0, 1, 2, 3].map((left) =>
      ThresholdBls.combine(partials.filter((_, index) => index !== left)),
    );
    expect(new Set(signatures).size).toBe(1);
    expect(ThresholdBls.verify(message, signatures[0] ?? "0x", key.groupPublicKey)).toBe(true);
    const two = ThresholdBls.combine(partials.slice(0, 2));
    expect(ThresholdBls.verify(message, two, key.groupPublicKey)).toBe(false);
  });

  test("the key file is for the owner alone, and the ceremony's secrets are gone", async () => {
    await runCeremony(set, peers());
    expect(statSync(keyFile(1)).mode & 0o777).toBe(0o600);
    expect(existsSync(`${keyFile(1)}.ceremony`)).toBe(false);
    expect(readFileSync(keyFile(1), "utf8")).not.toContain("coefficients");
  });

  test("a ceremony that broke off goes on, and a finished one reports the same key again", async () => {
    const broken = peers();
    const failing = peer(broken, 3);
    failing.finish = async () => {
      throw new Error("connection reset");
    };
    await expect(runCeremony(set, broken)).rejects.toThrow("connection reset");
    const resumed = await runCeremony(set, peers());
    const again = await runCeremony(set, peers());
    expect(again).toEqual(resumed);
    expect(readKeyShare(keyFile(3))?.groupPublicKey).toBe(resumed.groupPublicKey);
  });

  test("a replica that lost its progress starts a new attempt together with the others", async () => {
    const broken = peers();
    peer(broken, 2).round2 = async () => {
      throw new Error("gone");
    };
    await expect(runCeremony(set, broken)).rejects.toThrow("gone");
    rmSync(`${keyFile(4)}.ceremony`);
    const key = await runCeremony(set, peers());
    expect(readKeyShare(keyFile(4))?.attempt).toBe(2);
    expect(readKeyShare(keyFile(1))?.groupPublicKey).toBe(key.groupPublicKey);
  });

  test("a replica with a key takes part in no other ceremony", async () => {
    await runCeremony(set, peers());
    expect(() => ceremonyOf(1).round1(2)).toThrow("already has a key share");
  });
});

describe("a relay that cheats is noticed", () => {
  test("when it alters a commitment", async () => {
    const altered = peers();
    const honest = peer(altered, 2).round1;
    peer(altered, 2).round1 = async (attempt): Promise<Round1Message> => {
      const message = await honest(attempt);
      return { ...message, commitments: [...message.commitments].reverse() };
    };
    await expect(runCeremony(set, altered)).rejects.toThrow("is not signed by it");
  });

  test("when it alters or misdirects an encrypted share", async () => {
    const altered = peers();
    const honest = peer(altered, 2).round2;
    peer(altered, 2).round2 = async (attempt, round1): Promise<Round2Message[]> => {
      const messages = await honest(attempt, round1);
      return messages.map((message) => ({
        ...message,
        to: message.to === 1 ? 3 : message.to === 3 ? 1 : message.to,
      }));
    };
    await expect(runCeremony(set, altered)).rejects.toThrow("is not signed by it");
  });

  test("when a replica confirms another transcript", async () => {
    const altered = peers();
    const honest = peer(altered, 2).round3;
    peer(altered, 2).round3 = async (...input): Promise<Confirmation> => ({
      ...(await honest(...input)),
      transcriptHash: `0x${"00".repeat(32)}`,
    });
    await expect(runCeremony(set, altered)).rejects.toThrow("is not signed by it");
    expect(existsSync(keyFile(1))).toBe(false);
  });
});

test("a sealed share opens only for its recipient and context", () => {
  const [alice, bob] = nodeKeys;
  if (alice === undefined || bob === undefined) throw new Error("no keys");
  const context = { ceremonyId: "c", from: 1, to: 2 };
  const sealed = sealShare(Buffer.alloc(32, 7), bob.encryptionPublicKey, context);
  expect(Buffer.from(openShare(sealed, bob.encryption, context))).toEqual(Buffer.alloc(32, 7));
  expect(() => openShare(sealed, alice.encryption, context)).toThrow();
  expect(() => openShare(sealed, bob.encryption, { ...context, from: 3 })).toThrow();
  const flipped = Buffer.from(sealed, "base64url");
  flipped[40] = (flipped[40] ?? 0) ^ 1;
  expect(() => openShare(flipped.toString("base64url"), bob.encryption, context)).toThrow();
});
