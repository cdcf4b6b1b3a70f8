import type { Hex } from "viem";
import {
  type Certificate,
  type Certified,
  certificateOf,
  type Draft,
  type Vote,
  type VoteKind,
  voteText,
} from "../../src/protocol/Certificate.ts";
import type { Message } from "../../src/protocol/Message.ts";
import { type Position, positionKey } from "../../src/protocol/Position.ts";
import type { Rules } from "../../src/protocol/State.ts";
import { leaderOf, viewAt } from "../../src/rules/schedule.ts";
import type { Random } from "./Random.ts";

export type ByzantineHost = {
  nowMs(): bigint;
  position(): Position;
  send(to: number, message: Message): void;
  /** Batches that honest replicas would find right for the position. */
  drafts(position: Position): Draft[];
};

/**
 * A replica that lies as well as it can: it votes for everything, remembers every vote and certificate it ever saw,
 * proposes several batches in one view and to different peers, justifies them with old certificates, shows locks and
 * decisions to some only, and sends partial signatures that do not hold.
 */
export class Byzantine {
  readonly #rules: Rules;
  readonly #random: Random;
  readonly #host: ByzantineHost;
  readonly #votes = new Map<string, Map<number, Vote>>();
  readonly #drafts = new Map<Hex, Draft>();
  #certificates: Certified[] = [];
  #key = "";

  constructor(rules: Rules, random: Random, host: ByzantineHost) {
    this.#rules = rules;
    this.#random = random;
    this.#host = host;
  }

  receive(from: number, message: Message): void {
    const { crypto } = this.#rules;
    this.#enter();
    if (message.position !== this.#key) return;
    if (message.kind === "propose") {
      this.#drafts.set(message.vote.batchHash, message.draft);
      this.#collect(message.vote);
      this.#answer(from, this.#vote("prepare", message.vote.view, message.vote.batchHash));
    } else if (message.kind === "vote") this.#collect(message.vote);
    else if (message.kind === "lock" || message.kind === "decide") {
      const { certificate } = message.certified;
      this.#remember(message.certified);
      if (message.kind === "lock")
        this.#answer(from, this.#vote("commit", certificate.view, certificate.batchHash));
      else
        this.#send(from, {
          kind: "partial",
          position: this.#key,
          batchHash: certificate.batchHash,
          signature: this.#random.chance(0.5) ? crypto.partial(certificate.batchHash) : "0x00",
        });
    } else if (message.kind === "status" || message.kind === "refuse") {
      if (message.locked !== null) this.#remember(message.locked);
    } else if (message.kind === "query") {
      const locked = this.#random.chance(0.7) ? this.#pickCertified("prepare") : null;
      const { view } = message;
      this.#send(from, {
        kind: "status",
        position: this.#key,
        view,
        locked,
        committed: null,
        signed: null,
        seen: null,
      });
    }
  }

  /** Does something harmful of its own accord. */
  act(): void {
    this.#enter();
    const position = this.#host.position();
    const { windowMs, leaderTimeoutMs, replica, replicaCount } = this.#rules;
    const schedule = { lastWindowEndMs: position.lastWindowEnd, windowMs, leaderTimeoutMs };
    const view = viewAt(schedule, this.#host.nowMs()) + BigInt(this.#random.between(0, 1));
    if (view >= 0n && leaderOf(position.nextBatchNumber, view, replicaCount) === replica)
      this.#propose(position, view);
    const others = this.#others();
    for (const kind of ["prepare", "commit"] as const) {
      const certified = this.#pickCertified(kind);
      if (certified === null) continue;
      const message = {
        kind: kind === "prepare" ? ("lock" as const) : ("decide" as const),
        position: this.#key,
        certified,
      };
      for (const to of this.#random.subset(others)) this.#send(to, message);
    }
  }

  #propose(position: Position, view: bigint): void {
    const fresh = this.#host.drafts(position);
    for (const draft of fresh) this.#drafts.set(this.#rules.crypto.hashOf(draft.header), draft);
    const known = [...this.#drafts];
    if (known.length === 0) return;
    for (const to of this.#others()) {
      const [batchHash, draft] = this.#random.pick(known);
      const old = this.#certificates.filter(
        ({ certificate }) =>
          certificate.kind === "prepare" && certificate.batchHash === batchHash && certificate.view < view,
      );
      const justification: Certificate | null =
        old.length > 0 && this.#random.chance(0.8) ? this.#random.pick(old).certificate : null;
      const vote = this.#vote("prepare", view, batchHash);
      this.#collect(vote);
      this.#send(to, { kind: "propose", position: this.#key, draft, vote, justification });
    }
  }

  #vote(kind: VoteKind, view: bigint, batchHash: Hex): Vote {
    const { replica, crypto } = this.#rules;
    const signature = this.#random.chance(0.95) ? crypto.vote(voteText(kind, view, batchHash)) : "forged";
    return { replica, kind, view, batchHash, signature };
  }

  #answer(to: number, vote: Vote): void {
    this.#collect(vote);
    this.#send(to, { kind: "vote", position: this.#key, vote });
  }

  #collect(vote: Vote): void {
    const { crypto, threshold } = this.#rules;
    if (!crypto.isVoteOf(vote.replica, voteText(vote.kind, vote.view, vote.batchHash), vote.signature))
      return;
    const key = `${vote.kind} ${vote.view} ${vote.batchHash}`;
    const votes = this.#votes.get(key) ?? new Map<number, Vote>();
    votes.set(vote.replica, vote);
    this.#votes.set(key, votes);
    const own = this.#vote(vote.kind, vote.view, vote.batchHash);
    if (own.signature !== "forged") votes.set(own.replica, own);
    const draft = this.#drafts.get(vote.batchHash);
    const certificate = votes.size >= threshold ? certificateOf([...votes.values()]) : null;
    if (certificate !== null && draft !== undefined) this.#remember({ certificate, draft });
  }

  #remember(certified: Certified): void {
    this.#drafts.set(certified.certificate.batchHash, certified.draft);
    this.#certificates.push(certified);
  }

  #pickCertified(kind: VoteKind): Certified | null {
    const fitting = this.#certificates.filter(({ certificate }) => certificate.kind === kind);
    return fitting.length === 0 ? null : this.#random.pick(fitting);
  }

  #others(): number[] {
    return Array.from({ length: this.#rules.replicaCount }, (_, index) => index + 1).filter(
      (replica) => replica !== this.#rules.replica,
    );
  }

  #send(to: number, message: Message): void {
    if (this.#random.chance(0.85)) this.#host.send(to, message);
  }

  #enter(): void {
    const key = positionKey(this.#host.position());
    if (key === this.#key) return;
    this.#key = key;
    this.#votes.clear();
    this.#drafts.clear();
    this.#certificates = [];
  }
}
