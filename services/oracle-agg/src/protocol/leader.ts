import type { Hex } from "viem";
import { certificateOf, type Draft, type Vote } from "./Certificate.ts";
import type { Message } from "./Message.ts";
import type { Run } from "./Run.ts";
import type { Round, Stage, VoteRecord } from "./State.ts";
import { adoptCommitted, adoptLock, obstacle, onSigned } from "./voter.ts";

type Of<Kind extends Message["kind"]> = Message & { kind: Kind };

/** Begins a round when this replica leads the present view and there is something to settle or to finish. */
export const lead = (run: Run) => {
  const { record, round, hasWork } = run.state;
  const view = run.view;
  if (record === null || record.signed !== null || view < 0n) return;
  if (run.leaderOf(record, view) !== run.rules.replica) return;
  if (round !== null && (round.view >= view || round.stage === "sign")) return;
  if (record.committed !== null) return gather(run, record, view);
  if (record.view >= view || (!hasWork && record.locked === null)) return;
  begin(run, view, "query");
  // Nothing can be locked before the first view.
  if (view === 0n) return choose(run, record);
  run.sendToAll({ kind: "query", view });
};

const begin = (run: Run, view: bigint, stage: Stage, change: Partial<Round> = {}) =>
  run.change({
    round: {
      view,
      stage,
      draft: null,
      batchHash: null,
      justification: null,
      answered: new Set([run.rules.replica]),
      votes: new Map(),
      partials: new Map(),
      bad: new Set(),
      isBuilding: false,
      resendAtMs: run.state.nowMs + run.rules.resendMs,
      ...change,
    },
  });

const update = (run: Run, round: Round, change: Partial<Round>) =>
  run.change({ round: { ...round, ...change } });

/** A peer said what it knows; t answers, our own included, are enough to go on. */
export const onStatus = (run: Run, record: VoteRecord, from: number, message: Of<"status">) => {
  if (message.signed !== null) return onSigned(run, record, from, message.signed);
  const known = learn(run, record, from, message);
  const { round } = run.state;
  if (round === null || round.view !== message.view) return;
  if (known.committed !== null && round.stage !== "sign") return gather(run, known, round.view);
  if (round.stage !== "query") return;
  const answered = new Set(round.answered).add(from);
  update(run, round, { answered });
  if (answered.size >= run.rules.threshold) choose(run, known);
};

const learn = (
  run: Run,
  record: VoteRecord,
  from: number,
  {
    locked,
    committed = null,
    seen,
  }: Pick<Of<"status">, "locked" | "seen"> & {
    committed?: Of<"status">["committed"];
  },
): VoteRecord => {
  let known = record;
  if (seen !== null && run.leaderOf(record, seen.view) === seen.replica && run.isVote(seen))
    run.noteSeen(seen);
  if (locked !== null) {
    if (run.isCertified(record, "prepare", locked)) known = adoptLock(run, known, locked);
    else run.accuse(from, "bad_certificate");
  }
  if (committed !== null) {
    if (run.isCertified(record, "commit", committed)) known = adoptCommitted(run, known, committed);
    else run.accuse(from, "bad_certificate");
  }
  return known;
};

/** What is locked must be proposed again, for it may be decided already; only without a lock a new batch is built. */
const choose = (run: Run, record: VoteRecord) => {
  const { round } = run.state;
  if (round === null) return;
  if (record.locked !== null) {
    const { draft, certificate } = record.locked;
    return propose(run, record, { ...round, justification: certificate }, draft, certificate.batchHash);
  }
  update(run, round, { stage: "build", isBuilding: run.state.hasWork });
  if (run.state.hasWork) run.effects.push({ kind: "build", position: record.position, view: round.view });
};

export const onBuilt = (run: Run, record: VoteRecord, view: bigint, draft: Draft | null) => {
  const { round } = run.state;
  if (round === null || round.view !== view || round.stage !== "build") return;
  const resendAtMs = run.state.nowMs + run.rules.resendMs;
  if (draft === null) return update(run, round, { isBuilding: false, resendAtMs });
  propose(run, record, round, draft, run.rules.crypto.hashOf(draft.header));
};

const propose = (run: Run, record: VoteRecord, round: Round, draft: Draft, batchHash: Hex) => {
  const { view, justification } = round;
  if (record.committed !== null || obstacle(record, view, batchHash, justification) !== null)
    return run.change({ round: null });
  run.persist({ ...record, view, prepared: batchHash });
  const vote = run.ownVote("prepare", view, batchHash);
  run.noteSeen(vote);
  update(run, round, {
    stage: "prepare",
    draft,
    batchHash,
    isBuilding: false,
    votes: new Map([[run.rules.replica, vote]]),
    resendAtMs: run.state.nowMs + run.rules.resendMs,
  });
  run.sendToAll({ kind: "propose", draft, vote, justification });
};

export const onVote = (run: Run, record: VoteRecord, from: number, { vote }: Of<"vote">) => {
  const { round } = run.state;
  if (round === null || round.batchHash !== vote.batchHash || round.view !== vote.view) return;
  if (round.stage !== vote.kind) return;
  if (vote.replica !== from || !run.isVote(vote)) return run.accuse(from, "bad_vote");
  run.effects.push({ kind: "signer", replica: from, isUp: true });
  const votes = new Map(round.votes).set(from, vote);
  update(run, round, { votes });
  if (votes.size < run.rules.threshold) return;
  const certificate = certificateOf([...votes.values()]);
  if (certificate === null || round.draft === null) return;
  const certified = { certificate, draft: round.draft };
  if (vote.kind === "prepare") lock(run, record, { ...round, votes }, certified);
  else gather(run, adoptCommitted(run, record, certified), round.view);
};

const lock = (run: Run, record: VoteRecord, round: Round, certified: NonNullable<VoteRecord["locked"]>) => {
  const { view, batchHash } = certified.certificate;
  // Between its own prepare vote and this moment the leader may have voted in a later view.
  if (record.view > view) return run.change({ round: null });
  adoptLock(run, record, certified);
  const own: Vote = run.ownVote("commit", view, batchHash);
  update(run, round, {
    stage: "commit",
    votes: new Map([[run.rules.replica, own]]),
    resendAtMs: run.state.nowMs + run.rules.resendMs,
  });
  run.sendToAll({ kind: "lock", certified });
};

/** Asks for partial signatures of the batch the position is decided for. */
const gather = (run: Run, record: VoteRecord, view: bigint) => {
  const { committed } = record;
  if (committed === null) return;
  const { replica, crypto } = run.rules;
  const { batchHash } = committed.certificate;
  begin(run, view, "sign", {
    draft: committed.draft,
    batchHash,
    partials: new Map([[replica, crypto.partial(batchHash)]]),
  });
  run.sendToAll({ kind: "decide", certified: committed });
};

/** Combines any t partial signatures; only when that fails are they checked one by one, to name the false ones. */
export const onPartial = (run: Run, record: VoteRecord, from: number, message: Of<"partial">) => {
  const { round } = run.state;
  const { crypto, threshold, replica } = run.rules;
  if (round === null || round.stage !== "sign" || round.draft === null) return;
  const { batchHash, draft } = round;
  if (batchHash === null || message.batchHash !== batchHash || round.bad.has(from)) return;
  const partials = new Map(round.partials).set(from, message.signature);
  update(run, round, { partials });
  run.effects.push({ kind: "signer", replica: from, isUp: true });
  if (partials.size < threshold) return;
  const list = [...partials].map(([signer, signature]) => ({ replica: signer, signature }));
  const signature = crypto.combine(list);
  if (signature !== null && crypto.isSignedByGroup(batchHash, signature)) {
    run.persist({ ...record, signed: { draft, batchHash, signature, partials: list } });
    run.sendToAll({ kind: "signed", signed: { draft, batchHash, signature, partials: list } });
    run.change({ round: null, submission: { nextAtMs: run.state.nowMs, isRunning: false } });
    return;
  }
  const good = list.filter((one) => crypto.isPartialOf(one.replica, batchHash, one.signature));
  const bad = list.filter((one) => !good.includes(one)).map((one) => one.replica);
  for (const liar of bad) {
    run.accuse(liar, "bad_partial");
    if (liar !== replica) run.effects.push({ kind: "signer", replica: liar, isUp: false });
  }
  update(run, round, {
    partials: new Map(good.map((one) => [one.replica, one.signature])),
    bad: new Set([...round.bad, ...bad]),
  });
};

export const onRefuse = (run: Run, record: VoteRecord, from: number, message: Of<"refuse">) => {
  learn(run, record, from, message);
};

/** Repeats what was not answered, as long as the round can still end well. */
export const resend = (run: Run) => {
  const { round, record, nowMs, hasWork } = run.state;
  if (round === null || record === null) return;
  const { stage, view, draft, votes, answered, partials, bad } = round;
  if (stage !== "sign") {
    const isOver =
      record.view > view ||
      run.view > view + 1n ||
      (run.view > view && (stage === "query" || stage === "build"));
    if (isOver) return run.change({ round: null });
  }
  if (nowMs < round.resendAtMs) return;
  update(run, round, { resendAtMs: nowMs + run.rules.resendMs });
  const has = stage === "query" ? answered : stage === "sign" ? new Set([...partials.keys(), ...bad]) : votes;
  const isSilent = (replica: number): boolean => replica !== run.rules.replica && !has.has(replica);
  if (stage !== "build")
    for (let replica = 1; replica <= run.rules.replicaCount; replica += 1)
      if (isSilent(replica)) run.effects.push({ kind: "signer", replica, isUp: false });
  if (stage === "query") run.sendToAll({ kind: "query", view }, (replica) => has.has(replica));
  else if (stage === "build") {
    if (round.isBuilding || !hasWork) return;
    run.change({ round: { ...round, isBuilding: true, resendAtMs: nowMs + run.rules.resendMs } });
    run.effects.push({ kind: "build", position: record.position, view });
  } else if (stage === "prepare" && draft !== null) {
    const vote = votes.get(run.rules.replica);
    if (vote === undefined) return;
    const { justification } = round;
    run.sendToAll({ kind: "propose", draft, vote, justification }, (replica) => has.has(replica));
  } else if (stage === "commit" && record.locked !== null)
    run.sendToAll({ kind: "lock", certified: record.locked }, (replica) => has.has(replica));
  else if (stage === "sign" && record.committed !== null)
    run.sendToAll({ kind: "decide", certified: record.committed }, (replica) => has.has(replica));
};
