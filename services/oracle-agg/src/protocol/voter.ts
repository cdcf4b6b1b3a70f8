import type { Hex } from "viem";
import type { Certificate, Certified, Signed } from "./Certificate.ts";
import type { Message } from "./Message.ts";
import type { Run } from "./Run.ts";
import type { VoteRecord } from "./State.ts";

type Of<Kind extends Message["kind"]> = Message & { kind: Kind };

/** Tells a leader what this replica knows of the position. */
export const onQuery = (run: Run, record: VoteRecord, from: number, { view }: Of<"query">) =>
  sendStatus(run, record, from, view);

export const sendStatus = (run: Run, record: VoteRecord, to: number, view: bigint) => {
  const { locked, committed, signed } = record;
  run.send(to, { kind: "status", view, locked, committed, signed, seen: run.state.seen });
};

export const onPropose = (run: Run, record: VoteRecord, from: number, message: Of<"propose">) => {
  const { draft, vote, justification } = message;
  const { view, batchHash } = vote;
  const refuse = (reason: string) => sendRefusal(run, record, from, view, batchHash, [reason]);
  const leader = run.leaderOf(record, view);
  if (leader !== from) return refuse(`replica ${leader} leads this view, not ${from}`);
  if (!run.isDraft(record, draft, batchHash)) return refuse("the batch does not continue the lane here");
  if (vote.kind !== "prepare" || vote.replica !== from || !run.isVote(vote))
    return run.accuse(from, "bad_vote");
  run.noteSeen(vote);
  if (record.committed !== null || record.signed !== null) return sendStatus(run, record, from, view);
  if (view > run.view + 1n) return refuse(`we are in view ${run.view}, not ${view}`);
  if (record.view === view && record.prepared === batchHash) return sendPrepare(run, from, view, batchHash);
  if (justification !== null && !isJustified(run, batchHash, view, justification))
    return run.accuse(from, "bad_certificate");
  const problem = obstacle(record, view, batchHash, justification);
  if (problem !== null) return refuse(problem);
  if (justification !== null || record.locked?.certificate.batchHash === batchHash)
    return prepare(run, record, from, view, batchHash);
  const { checking } = run.state;
  if (checking !== null && checking.view >= view) return;
  run.change({ checking: { from, view, batchHash, draft } });
  run.effects.push({ kind: "check", position: record.position, draft, batchHash, view, from });
};

export const onChecked = (run: Run, record: VoteRecord, batchHash: Hex, problems: readonly string[]) => {
  const { checking } = run.state;
  if (checking === null || checking.batchHash !== batchHash) return;
  run.change({ checking: null });
  const { from, view } = checking;
  const reasons =
    problems.length > 0 ? problems : [obstacle(record, view, batchHash, null) ?? ""].filter(Boolean);
  if (record.committed !== null || record.signed !== null) return;
  if (reasons.length > 0) return sendRefusal(run, record, from, view, batchHash, reasons);
  prepare(run, record, from, view, batchHash);
};

/**
 * Why a replica may not prepare a batch in a view, or null. It prepares one batch in a view, none in a view before the
 * last it voted in, and none against its lock unless t replicas prepared that batch in a view not before the lock's.
 */
export const obstacle = (
  { view: voted, prepared, locked }: VoteRecord,
  view: bigint,
  batchHash: Hex,
  justification: Certificate | null,
): string | null => {
  if (view < voted) return `we voted in view ${voted} already`;
  if (view === voted && prepared !== batchHash) return "we prepared another batch in this view";
  if (locked === null || locked.certificate.batchHash === batchHash) return null;
  if (justification !== null && justification.view >= locked.certificate.view) return null;
  return `we are locked on another batch since view ${locked.certificate.view}`;
};

const isJustified = (run: Run, batchHash: Hex, view: bigint, justification: Certificate): boolean =>
  justification.kind === "prepare" &&
  justification.batchHash === batchHash &&
  justification.view < view &&
  run.isCertificate(justification);

const prepare = (run: Run, record: VoteRecord, to: number, view: bigint, batchHash: Hex) => {
  run.persist({ ...record, view, prepared: batchHash });
  sendPrepare(run, to, view, batchHash);
};

const sendPrepare = (run: Run, to: number, view: bigint, batchHash: Hex) =>
  run.send(to, { kind: "vote", vote: run.ownVote("prepare", view, batchHash) });

const sendRefusal = (
  run: Run,
  { locked }: VoteRecord,
  to: number,
  view: bigint,
  batchHash: Hex,
  reasons: readonly string[],
) => {
  run.effects.push({ kind: "refused", from: to, batchHash, view, reasons });
  run.send(to, { kind: "refuse", view, batchHash, reasons: [...reasons], locked, seen: run.state.seen });
};

/** t replicas prepared a batch: this replica locks it and says so, unless it voted in a later view. */
export const onLock = (run: Run, record: VoteRecord, from: number, { certified }: Of<"lock">) => {
  const { view, batchHash } = certified.certificate;
  if (!run.isCertified(record, "prepare", certified)) return run.accuse(from, "bad_certificate");
  if (record.committed !== null || record.signed !== null) return sendStatus(run, record, from, view);
  if (view < record.view)
    return sendRefusal(run, record, from, view, batchHash, [`we voted in view ${record.view} already`]);
  adoptLock(run, record, certified);
  run.send(from, { kind: "vote", vote: run.ownVote("commit", view, batchHash) });
};

/** Takes a newer lock over, wherever it was learnt. Returns the record as it is then. */
export const adoptLock = (run: Run, record: VoteRecord, certified: Certified): VoteRecord => {
  const { view, batchHash } = certified.certificate;
  if (record.locked !== null && record.locked.certificate.view >= view) return record;
  const isLater = view > record.view;
  const next = {
    ...record,
    locked: certified,
    view: isLater ? view : record.view,
    prepared: isLater ? batchHash : record.prepared,
  };
  run.persist(next);
  return next;
};

/** t replicas committed in one view, which decides the position: now, and only now, this replica's share signs. */
export const onDecide = (run: Run, record: VoteRecord, from: number, { certified }: Of<"decide">) => {
  const { batchHash } = certified.certificate;
  if (!run.isCertified(record, "commit", certified)) return run.accuse(from, "bad_certificate");
  const decided = adoptCommitted(run, record, certified);
  if (decided.committed?.certificate.batchHash !== batchHash) return;
  run.send(from, { kind: "partial", batchHash, signature: run.rules.crypto.partial(batchHash) });
};

/** The first decision stays; there is no second one while fewer than 2t - n replicas lie. */
export const adoptCommitted = (run: Run, record: VoteRecord, certified: Certified): VoteRecord => {
  if (record.committed !== null) return record;
  const next = { ...record, committed: certified };
  run.persist(next);
  return next;
};

export const onSigned = (run: Run, record: VoteRecord, from: number, signed: Signed) => {
  if (record.signed !== null) return;
  if (
    !run.isDraft(record, signed.draft, signed.batchHash) ||
    !run.rules.crypto.isSignedByGroup(signed.batchHash, signed.signature)
  )
    return run.accuse(from, "bad_certificate");
  run.persist({ ...record, signed });
  const { replica, replicaCount, resubmitMs } = run.rules;
  // The sender submits at once; the others follow one by one, in case it fails.
  const place = BigInt((replica - from + replicaCount) % replicaCount);
  run.change({
    round: null,
    submission: { nextAtMs: run.state.nowMs + place * resubmitMs, isRunning: false },
  });
};
