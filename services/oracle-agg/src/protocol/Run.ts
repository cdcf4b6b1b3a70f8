import type { Hex } from "viem";
import { leaderOf, type ScheduleInput, viewAt } from "../rules/schedule.ts";
import {
  type Certificate,
  type Certified,
  type Draft,
  type Vote,
  type VoteKind,
  voteText,
} from "./Certificate.ts";
import type { Message } from "./Message.ts";
import { continues, positionKey } from "./Position.ts";
import type { Effect, Guilt, Rules, State, VoteRecord } from "./State.ts";

type Addressed = Message extends infer One ? (One extends Message ? Omit<One, "position"> : never) : never;

/** One step in the making: the next state, replaced part by part and never altered in place, and what is to be done. */
export class Run {
  readonly rules: Rules;
  state: State;
  readonly effects: Effect[] = [];

  constructor(rules: Rules, state: State) {
    this.rules = rules;
    this.state = state;
  }

  get record(): VoteRecord | null {
    return this.state.record;
  }

  get schedule(): ScheduleInput | null {
    const { record } = this.state;
    const { windowMs, leaderTimeoutMs } = this.rules;
    return record === null
      ? null
      : { lastWindowEndMs: record.position.lastWindowEnd, windowMs, leaderTimeoutMs };
  }

  /** The view by this replica's clock; -1 before the batch is due. */
  get view(): bigint {
    return this.schedule === null ? -1n : viewAt(this.schedule, this.state.nowMs);
  }

  leaderOf(record: VoteRecord, view: bigint): number {
    return leaderOf(record.position.nextBatchNumber, view, this.rules.replicaCount);
  }

  change(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
  }

  /** Changes the record and has it stored before anything that is sent from here on. */
  persist(record: VoteRecord): void {
    this.change({ record });
    this.effects.push({ kind: "persist", record });
  }

  send(to: number, message: Addressed): void {
    if (this.state.record === null) return;
    const position = positionKey(this.state.record.position);
    this.effects.push({ kind: "send", to, message: { ...message, position } as Message });
  }

  sendToAll(message: Addressed, except: (replica: number) => boolean = () => false): void {
    for (let replica = 1; replica <= this.rules.replicaCount; replica += 1)
      if (replica !== this.rules.replica && !except(replica)) this.send(replica, message);
  }

  accuse(replica: number, guilt: Guilt, evidence: readonly Vote[] = []): void {
    this.effects.push({ kind: "accuse", replica, guilt, evidence });
  }

  ownVote(kind: VoteKind, view: bigint, batchHash: Hex): Vote {
    const { replica, crypto } = this.rules;
    return { replica, kind, view, batchHash, signature: crypto.vote(voteText(kind, view, batchHash)) };
  }

  isVote({ replica, kind, view, batchHash, signature }: Vote): boolean {
    return this.rules.crypto.isVoteOf(replica, voteText(kind, view, batchHash), signature);
  }

  /** Whether t different replicas voted so. */
  isCertificate({ kind, view, batchHash, votes }: Certificate): boolean {
    const { threshold, crypto } = this.rules;
    const signers = new Set(votes.map(({ replica }) => replica));
    return (
      votes.length === signers.size &&
      signers.size >= threshold &&
      votes.every(({ replica, signature }) =>
        crypto.isVoteOf(replica, voteText(kind, view, batchHash), signature),
      )
    );
  }

  /** Whether the certificate is sound, of this kind, and about this very batch, which continues the lane here. */
  isCertified(record: VoteRecord, kind: VoteKind, { certificate, draft }: Certified): boolean {
    return (
      certificate.kind === kind &&
      this.isDraft(record, draft, certificate.batchHash) &&
      this.isCertificate(certificate)
    );
  }

  isDraft(record: VoteRecord, { header }: Draft, batchHash: Hex): boolean {
    return continues(header, record.position) && this.rules.crypto.hashOf(header) === batchHash;
  }

  /** Remembers what a leader voted for in its own view; two such votes for different batches prove it false. */
  noteSeen(vote: Vote): void {
    const { seen } = this.state;
    if (vote.kind !== "prepare") return;
    if (seen !== null && seen.view === vote.view && seen.replica === vote.replica) {
      if (seen.batchHash !== vote.batchHash) this.accuse(vote.replica, "equivocation", [seen, vote]);
      return;
    }
    if (seen === null || vote.view > seen.view) this.change({ seen: vote });
  }
}
