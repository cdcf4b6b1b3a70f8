import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ceremony } from "../../src/dkg/Ceremony.ts";
import { openCeremony } from "../../src/dkg/openCeremony.ts";
import type { DkgPeer, PeerOf } from "../../src/dkg/runCeremony.ts";
import type { AggregatorSet } from "../../src/keys/AggregatorSet.ts";
import { KeyRing } from "../../src/keys/KeyRing.ts";
import type { KeyShare } from "../../src/keys/KeyShare.ts";
import { generateNodeKey, type NodeKey } from "../../src/keys/NodeKey.ts";
import { bookOf } from "../../src/keys/SetBook.ts";
import { createShareSeal } from "../../src/keys/ShareSeal.ts";

export const seal = createShareSeal({ kind: "key-file", text: "5e".repeat(32) });

/** A set of the given nodes, whose addresses end in their number. */
export const setOf = (nodes: readonly NodeKey[], threshold: number): AggregatorSet => ({
  laneId: 0,
  threshold,
  replicas: nodes.map(({ nodePublicKey, encryptionPublicKey }, index) => ({
    id: index + 1,
    url: `http://127.0.0.1:${9101 + index}`,
    nodePublicKey,
    encryptionPublicKey,
  })),
});

/** Nodes on one disk without a network. Everything passes through JSON, and a fresh object answers each call, as after a restart. */
export const createCeremonyNodes = (sets: AggregatorSet[] = []) => {
  const folder = mkdtempSync(join(tmpdir(), "tac-dkg-"));
  const nodes = new Map<string, NodeKey>();
  const json = <T>(value: T): T => JSON.parse(JSON.stringify(value));
  const keyFile = ({ nodePublicKey }: Pick<NodeKey, "nodePublicKey">): string => join(folder, nodePublicKey);
  const ringOf = (node: Pick<NodeKey, "nodePublicKey">): KeyRing => new KeyRing(keyFile(node), seal);
  const ceremonyOf = ({ nodePublicKey }: Pick<NodeKey, "nodePublicKey">): Ceremony => {
    const nodeKey = nodes.get(nodePublicKey);
    if (nodeKey === undefined) throw new Error("no such node");
    const ring = ringOf(nodeKey);
    return openCeremony({
      nodeKey,
      book: bookOf(() => sets),
      ring,
      seal,
      keyFile: keyFile(nodeKey),
      onReady: () => {},
    });
  };
  const peerOf: PeerOf = (entry): DkgPeer => ({
    status: async () => json(ceremonyOf(entry).status()),
    round1: async (plan) => json(ceremonyOf(entry).round1(json(plan))),
    round2: async (plan, round1) => json(ceremonyOf(entry).round2(json(plan), json(round1))),
    round3: async (plan, round1, round2) =>
      json(ceremonyOf(entry).round3(json(plan), json(round1), json(round2))),
    possession: async (plan, confirmations) =>
      json(ceremonyOf(entry).possession(json(plan), json(confirmations))),
    finish: async (plan, confirmations, proof) =>
      ceremonyOf(entry).finish(json(plan), json(confirmations), proof),
  });
  return {
    folder,
    keyFile,
    ringOf,
    ceremonyOf,
    peerOf,
    add: (): NodeKey => {
      const nodeKey = generateNodeKey();
      nodes.set(nodeKey.nodePublicKey, nodeKey);
      return nodeKey;
    },
    approve: (set: AggregatorSet): AggregatorSet => {
      sets.push(set);
      return set;
    },
    shareOf: (node: Pick<NodeKey, "nodePublicKey">, keyEpoch: number): KeyShare => {
      const key = ringOf(node).ofEpoch(keyEpoch);
      if (key === null) throw new Error(`no share of epoch ${keyEpoch}`);
      return key;
    },
    /** The same peers, with one of them behaving otherwise. */
    withPeer:
      (liar: Pick<NodeKey, "nodePublicKey">, change: (honest: DkgPeer) => Partial<DkgPeer>): PeerOf =>
      (entry) => {
        const honest = peerOf(entry);
        return entry.nodePublicKey === liar.nodePublicKey ? { ...honest, ...change(honest) } : honest;
      },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

export type CeremonyNodes = ReturnType<typeof createCeremonyNodes>;
