import { dueAtMs, leaderOf, viewStartMs } from "../rules/schedule.ts";
import { lead, onBuilt, onPartial, onRefuse, onStatus, onVote, resend } from "./leader.ts";
import type { Message } from "./Message.ts";
import { positionKey } from "./Position.ts";
import { Run } from "./Run.ts";
import { type Effect, emptyRecord, type Input, type Rules, type State, type VoteRecord } from "./State.ts";
import { onChecked, onDecide, onLock, onPropose, onQuery, onSigned } from "./voter.ts";

/**
 * The whole protocol of one replica as a pure function: what it knows next, and what is to be done, in this order.
 * docs/decisions/0010-aggregator-protocol.md says why no two batches of one position can both be signed.
 */
export const step = (rules: Rules, state: State, input: Input): { state: State; effects: Effect[] } => {
  const run = new Run(rules, { ...state, nowMs: input.nowMs });
  take(run, input);
  resend(run);
  lead(run);
  submit(run);
  const atMs = wakeAtMs(run);
  if (atMs !== null) run.effects.push({ kind: "wake", atMs });
  return { state: run.state, effects: run.effects };
};

const take = (run: Run, input: Input) => {
  const { record } = run.state;
  switch (input.kind) {
    case "wake":
      return;
    case "position":
      return enter(run, input.stored ?? emptyRecord(input.position));
    case "no-position":
      return run.change({ record: null, round: null, checking: null, submission: null });
    case "work":
      return run.change({ hasWork: input.hasWork });
    case "message":
      return receive(run, input.from, input.message);
    case "built":
      if (record !== null && positionKey(record.position) === input.key)
        onBuilt(run, record, input.view, input.draft);
      return;
    case "checked":
      if (record !== null && positionKey(record.position) === input.key)
        onChecked(run, record, input.batchHash, input.problems);
      return;
    case "submitted":
      return onSubmitted(run, input);
  }
};

const enter = (run: Run, record: VoteRecord) => {
  const { record: current, nowMs } = run.state;
  if (current !== null && positionKey(current.position) === positionKey(record.position)) return;
  const { replica, replicaCount, resubmitMs } = run.rules;
  const first = leaderOf(record.position.nextBatchNumber, 0n, replicaCount);
  const place = BigInt((replica - first + replicaCount) % replicaCount);
  run.change({
    record,
    round: null,
    checking: null,
    seen: null,
    // A batch that was signed before is one the chain lost, or one nobody got in yet.
    submission: record.signed === null ? null : { nextAtMs: nowMs + place * resubmitMs, isRunning: false },
  });
};

const receive = (run: Run, from: number, message: Message) => {
  const { record } = run.state;
  if (record === null || positionKey(record.position) !== message.position) {
    if (record === null || isAhead(message.position, record)) run.effects.push({ kind: "follow" });
    return;
  }
  switch (message.kind) {
    case "query":
      return onQuery(run, record, from, message);
    case "status":
      return onStatus(run, record, from, message);
    case "propose":
      return onPropose(run, record, from, message);
    case "vote":
      return onVote(run, record, from, message);
    case "refuse":
      return onRefuse(run, record, from, message);
    case "lock":
      return onLock(run, record, from, message);
    case "decide":
      return onDecide(run, record, from, message);
    case "partial":
      return onPartial(run, record, from, message);
    case "signed":
      return onSigned(run, record, from, message.signed);
  }
};

const isAhead = (key: string, { position }: VoteRecord): boolean => {
  const number = key.split("/")[2] ?? "";
  return /^[0-9]{1,19}$/.test(number) && BigInt(number) > position.nextBatchNumber;
};

const submit = (run: Run) => {
  const { record, submission, nowMs } = run.state;
  if (submission === null || submission.isRunning || nowMs < submission.nextAtMs) return;
  if (record === null || record.signed === null) return;
  run.change({ submission: { ...submission, isRunning: true } });
  run.effects.push({ kind: "submit", signed: record.signed });
};

const onSubmitted = (run: Run, { batchHash, outcome }: Input & { kind: "submitted" }) => {
  const { record, submission, nowMs } = run.state;
  if (submission === null || record?.signed?.batchHash !== batchHash) return;
  const { resubmitMs, resendMs } = run.rules;
  const waitMs = outcome === "unavailable" ? resendMs * 4n : resubmitMs;
  run.change({ submission: { nextAtMs: nowMs + waitMs, isRunning: false } });
};

const wakeAtMs = (run: Run): bigint | null => {
  const { record, round, submission } = run.state;
  const { schedule, view } = run;
  if (record === null || schedule === null) return null;
  const times: bigint[] = [];
  if (record.signed === null) times.push(view < 0n ? dueAtMs(schedule) : viewStartMs(schedule, view + 1n));
  if (round !== null) times.push(round.resendAtMs);
  if (submission !== null && !submission.isRunning) times.push(submission.nextAtMs);
  return times.reduce<bigint | null>((least, time) => (least === null || time < least ? time : least), null);
};
