import { sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { staticTls } from "@tac/kit";
import {
  createPeerPort,
  type Draft,
  leaderOf,
  loadAggregatorSet,
  loadNodeKey,
  openPeerDispatcher,
  positionKey,
  type Vote,
  voteSchema,
  voteText,
} from "@tac/oracle-agg";
import { BatchHeader, Deployment, PeerAuth, Sources } from "@tac/protocol";
import { zeroHash } from "viem";
import { laneId } from "../chaos/Scene.ts";
import { getJson } from "../e2e/support.ts";
import { aggregatorIds } from "../stack/layout.ts";
import type { Stack } from "../stack/Stack.ts";
import { type ReplicaId, readLane } from "./replicas.ts";

type Lane = Awaited<ReturnType<typeof readLane>>;

const setOf = (stack: Stack, liar: ReplicaId) =>
  loadAggregatorSet(stack.command(`aggregator-${liar}`).env.AGGREGATORS_FILE ?? "");

/** One of many batches that would continue the lane; they differ in their windows alone. */
const draftOf = (
  { startBlock }: Deployment.Deployment,
  { nextBatchNumber, lastWindowEnd, keyEpoch, lastBatchHash }: Lane,
  windowMs: bigint,
): Draft => {
  const sources = { chainBlock: startBlock, ranges: [] };
  const header = {
    laneId,
    keyEpoch,
    batchNumber: nextBatchNumber,
    windowStart: lastWindowEnd,
    windowEnd: lastWindowEnd + windowMs,
    receiptsRoot: zeroHash,
    receiptCount: 0,
    linesHash: zeroHash,
    totalNano: 0n,
    previousBatchHash: lastBatchHash,
    sourcesHash: Sources.hash(sources),
  };
  return { header, sources };
};

/**
 * Speaks for a replica that has been stopped, with its node key and its certificate: whenever it is its turn to lead, it
 * proposes one batch to the first of the others and another one to the rest. Ends when one of them names it for that, with
 * what it holds against it. Errors: an Error when nobody did in time.
 */
export const equivocate = async (stack: Stack, liar: ReplicaId, timeoutMs = 180_000): Promise<Vote[]> => {
  const set = setOf(stack, liar);
  const { NODE_KEY_FILE, TLS_CERT_FILE, TLS_KEY_FILE } = stack.command(`aggregator-${liar}`).env;
  const nodeKey = loadNodeKey(NODE_KEY_FILE ?? "");
  const tls = staticTls({
    ca: readFileSync(stack.certificates.caFile, "utf8"),
    cert: readFileSync(TLS_CERT_FILE ?? "", "utf8"),
    key: readFileSync(TLS_KEY_FILE ?? "", "utf8"),
  });
  const others = set.replicas.filter(({ id }) => id !== liar);
  const identity = { peer: String(liar), nodeKey: nodeKey.signing };
  const dispatchers = others.map((entry) => openPeerDispatcher(entry, tls));
  const peers = others.map(({ id, url }, index) =>
    createPeerPort(id, url, laneId, identity, dispatchers[index]),
  );
  const proposalOf = (lane: Lane, windowMs: bigint) => {
    const draft = draftOf(stack.deployment, lane, windowMs);
    const batchHash = BatchHeader.hash(draft.header, Deployment.domains(stack.deployment).usageReceipts);
    const text = voteText("prepare", 0n, batchHash);
    const signature = sign(null, Buffer.from(text), nodeKey.signing).toString("base64url");
    const vote: Vote = { replica: liar, kind: "prepare", view: 0n, batchHash, signature };
    return {
      kind: "propose" as const,
      position: positionKey({ laneId, ...lane }),
      draft,
      vote,
      justification: null,
    };
  };
  const proposeTwo = async (lane: Lane): Promise<void> => {
    const [one, other] = [proposalOf(lane, 1_000n), proposalOf(lane, 2_000n)];
    await Promise.all(peers.map((peer, index) => peer.send(index === 0 ? one : other)));
  };

  const deadline = Date.now() + timeoutMs;
  let problem: unknown = "it was never its turn to lead";
  try {
    while (Date.now() < deadline) {
      const lane = await readLane(stack);
      const isItsTurn = leaderOf(lane.nextBatchNumber, 0n, set.replicas.length) === liar;
      if (isItsTurn)
        await proposeTwo(lane).catch((error: unknown) => {
          problem = error;
        });
      const evidence = await evidenceAgainst(stack, liar);
      if (evidence !== null) return evidence;
      await sleep(250);
    }
  } finally {
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.close()));
  }
  throw new Error(`Nobody named replica ${liar} for its two proposals.`, { cause: problem });
};

type SeenMisdeed = { replica: number; guilt: string; evidence: unknown[] };

const evidenceAgainst = async (stack: Stack, liar: ReplicaId): Promise<Vote[] | null> => {
  for (const id of aggregatorIds.filter((one) => one !== liar)) {
    const misdeeds = await getJson<SeenMisdeed[]>(stack, `aggregator-${id}`, "/v1/misdeeds");
    const found = misdeeds.find(({ replica, guilt }) => replica === liar && guilt === "equivocation");
    if (found !== undefined) return found.evidence.map((vote) => voteSchema.parse(vote));
  }
  return null;
};

/** What is missing for two votes to prove, to anyone who has the set, that this replica signed both; null if nothing is. */
export const doubtAbout = (stack: Stack, liar: ReplicaId, votes: readonly Vote[]): string | null => {
  const [one, other] = votes;
  const entry = setOf(stack, liar).replicas.find(({ id }) => id === liar);
  if (one === undefined || other === undefined || entry === undefined) return "there are no two votes";
  if (one.batchHash === other.batchHash || one.view !== other.view || one.kind !== other.kind)
    return "the votes do not contradict each other";
  const key = PeerAuth.enrol(entry.nodePublicKey);
  const isSigned = ({ kind, view, batchHash, signature }: Vote): boolean =>
    verify(null, Buffer.from(voteText(kind, view, batchHash)), key, Buffer.from(signature, "base64url"));
  return isSigned(one) && isSigned(other) ? null : "a vote is not signed with the replica's key";
};
