import type { Hex } from "viem";
import type { Certificate, Certified, Draft, Signed, Vote } from "./Certificate.ts";
import type { Crypto } from "./Crypto.ts";
import type { Message } from "./Message.ts";
import type { Position } from "./Position.ts";

/** What does not change while a replica runs. */
export type Rules = {
  replica: number;
  replicaCount: number;
  threshold: number;
  /** The least time between two batches. */
  windowMs: bigint;
  /** How long a view lasts. */
  leaderTimeoutMs: bigint;
  /** How long a message to which nobody answered, or an empty look for a batch, waits to be repeated. */
  resendMs: bigint;
  /** How long a transaction has until it is sent again, with a higher fee if it still waits. */
  resubmitMs: bigint;
  crypto: Crypto;
};

/**
 * What a replica must not forget about one position: stored before any message that follows from it is sent.
 * `view` is the highest view it voted in, `prepared` the one batch it may prepare in that view.
 */
export type VoteRecord = {
  position: Position;
  view: bigint;
  prepared: Hex | null;
  /** The newest t prepare votes it knows; it prepares nothing else without t newer ones. */
  locked: Certified | null;
  /** t commit votes of one view: the only batch it ever gives its partial signature to. */
  committed: Certified | null;
  signed: Signed | null;
};

export type Stage = "query" | "build" | "prepare" | "commit" | "sign";

/** What the leader of a view has gathered; lost in a crash, without harm. */
export type Round = {
  view: bigint;
  stage: Stage;
  draft: Draft | null;
  batchHash: Hex | null;
  justification: Certificate | null;
  answered: ReadonlySet<number>;
  votes: ReadonlyMap<number, Vote>;
  partials: ReadonlyMap<number, Hex>;
  /** Replicas whose partial signature did not verify; theirs is not taken again in this round. */
  bad: ReadonlySet<number>;
  isBuilding: boolean;
  resendAtMs: bigint;
};

export type Submission = { nextAtMs: bigint; isRunning: boolean };

export type State = {
  nowMs: bigint;
  record: VoteRecord | null;
  /** Whether this replica holds events that no batch covers. */
  hasWork: boolean;
  round: Round | null;
  /** The proposal whose contents are being recomputed. */
  checking: { from: number; view: bigint; batchHash: Hex; draft: Draft } | null;
  /** The newest vote of a leader for its own proposal, kept to prove that it proposed two. */
  seen: Vote | null;
  submission: Submission | null;
};

export type SubmitOutcome = "sent" | "duplicate" | "refused" | "unavailable";

export type Input = { nowMs: bigint } & (
  | { kind: "wake" }
  /** The lane as the chain has it, all batches before it applied; with what is stored about the position. */
  | { kind: "position"; position: Position; stored: VoteRecord | null }
  | { kind: "no-position" }
  | { kind: "work"; hasWork: boolean }
  | { kind: "message"; from: number; message: Message }
  | { kind: "built"; key: string; view: bigint; draft: Draft | null }
  | { kind: "checked"; key: string; batchHash: Hex; problems: readonly string[] }
  | { kind: "submitted"; batchHash: Hex; outcome: SubmitOutcome }
);

export type Guilt = "bad_partial" | "bad_vote" | "bad_certificate" | "equivocation";

/** Carried out in order; one that fails keeps those behind it from being carried out. */
export type Effect =
  | { kind: "persist"; record: VoteRecord }
  | { kind: "send"; to: number; message: Message }
  /** Build the next batch of the position from all this replica holds, and store what it holds. */
  | { kind: "build"; position: Position; view: bigint }
  /** Recompute a proposed batch, and store what it holds. */
  | { kind: "check"; position: Position; draft: Draft; batchHash: Hex; view: bigint; from: number }
  | { kind: "submit"; signed: Signed }
  /** A peer is ahead of us on the chain. */
  | { kind: "follow" }
  | { kind: "wake"; atMs: bigint }
  | { kind: "accuse"; replica: number; guilt: Guilt; evidence: readonly Vote[] }
  | { kind: "refused"; from: number; batchHash: Hex; view: bigint; reasons: readonly string[] }
  /** A peer answered, or was asked in vain, in our round. */
  | { kind: "signer"; replica: number; isUp: boolean };

export const initialState = (nowMs: bigint): State => ({
  nowMs,
  record: null,
  hasWork: false,
  round: null,
  checking: null,
  seen: null,
  submission: null,
});

export const emptyRecord = (position: Position): VoteRecord => ({
  position,
  view: -1n,
  prepared: null,
  locked: null,
  committed: null,
  signed: null,
});
