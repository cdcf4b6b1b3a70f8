import { isStoreUnavailable, type Pool, queryWithNotices } from "@tac/kit";
import type { NowMs } from "../StoreClock.ts";
import { type HoldOutcome, type HoldRefusal, toColumns, toValues, type WantedHold } from "./Hold.ts";

type Waiting = { hold: WantedHold; admit: (outcome: HoldOutcome) => void; fail: (error: unknown) => void };
/** Whose calls these are, how long a spent proof is remembered, and the clock that dates the calls. */
export type HoldTerms = { owner: string; proofMemoryMs: number; nowMs: NowMs };
type Lane = { waiting: Waiting[]; isSending: boolean };

type Verdict = "held" | HoldRefusal;

const MAX_BATCH = 256;
/** The code of the notice by which `hold_call` says that a hold is taken, before its commit. */
const TAKEN = "TAC02";
/**
 * Statements in flight at once; a job always uses the same lane, so that its holds never wait for each other's rows. So
 * many are also the most holds that are taken and not yet durable.
 */
const LANES = 2;
const DONE = Promise.resolve();

/**
 * Takes holds, one statement in flight per lane: the first goes at once, those that come meanwhile share the next
 * statement. Many calls then cost one round trip and one commit, of whatever jobs they are, and an idle gateway waits
 * for nothing. A call that has a statement to itself, and needs no other look at it than that (a budget, a hold that is
 * cut), hears that its hold is taken before that is on disk; any other, when it is.
 */
export class HoldBatcher {
  readonly #pool: Pool;
  readonly #terms: HoldTerms;
  readonly #lanes: readonly Lane[] = Array.from({ length: LANES }, () => ({ waiting: [], isSending: false }));

  constructor(pool: Pool, terms: HoldTerms) {
    this.#pool = pool;
    this.#terms = terms;
  }

  /** Errors: whatever the store throws; then the hold may or may not be there, and recovery gives it back. */
  hold(hold: WantedHold): Promise<HoldOutcome> {
    return new Promise((admit, fail) => {
      const lane = this.#lanes[Number.parseInt(hold.jobId.slice(-4), 16) % LANES];
      if (lane === undefined) throw new Error("The job id is not a hexadecimal number");
      lane.waiting.push({ hold, admit, fail });
      if (!lane.isSending) void this.#drain(lane);
    });
  }

  async #drain(lane: Lane): Promise<void> {
    lane.isSending = true;
    while (lane.waiting.length > 0) await this.#send(lane.waiting.splice(0, MAX_BATCH));
    lane.isSending = false;
  }

  async #send(arrived: Waiting[]): Promise<void> {
    const [first] = arrived;
    if (first !== undefined && arrived.length === 1) return this.#sendOne(first);
    const { owner, proofMemoryMs, nowMs } = this.#terms;
    const heldAtMs = nowMs();
    // Calls of one job side by side, each job's in the order of their arrival, which a stable sort keeps.
    const batch = arrived.sort((one, two) => compare(one.hold.jobId, two.hold.jobId));
    try {
      const { rows } = await this.#pool.query<{ outcomes: Verdict[] | null; holds_nano: bigint[] | null }>({
        name: "hold_calls",
        text: "SELECT * FROM hold_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        values: [heldAtMs, owner, proofMemoryMs, ...toColumns(batch.map(({ hold }) => hold))],
      });
      const [row] = rows;
      if (row === undefined) throw new Error("The store gave no outcome for its holds");
      batch.forEach(({ hold, admit, fail }, index) => {
        const outcome = row.outcomes === null ? "held" : row.outcomes[index];
        const holdNano = row.holds_nano === null ? hold.holdNano : row.holds_nano[index];
        if (outcome === undefined || holdNano === undefined) fail(new Error("The store left out a hold"));
        else admit(toOutcome(outcome, holdNano, heldAtMs));
      });
    } catch (error) {
      // One hold that the store rejects must not keep the others of its batch, of other tenants even, from being taken.
      if (!isStoreUnavailable(error)) for (const waiting of batch) await this.#sendOne(waiting);
      else for (const { fail } of batch) fail(error);
    }
  }

  /** Admits the call when its hold is taken or, if the store does not say so ahead, when it is durable. */
  async #sendOne({ hold, admit, fail }: Waiting): Promise<void> {
    const { owner, proofMemoryMs, nowMs } = this.#terms;
    const heldAtMs = nowMs();
    const statement = {
      name: "hold_call",
      text: "SELECT hold_call($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS verdict",
      values: [heldAtMs, owner, proofMemoryMs, ...toValues(hold)],
    };
    // A notice comes after the statement was sent, and so after `durable` has its value.
    const answer = queryWithNotices<{ verdict: string }>(this.#pool, statement, (code) => {
      if (code === TAKEN) admit({ outcome: "held", holdNano: hold.holdNano, heldAtMs, durable });
    });
    const durable = answer.then(({ rows: [row] }) => {
      if (row === undefined) throw new Error("The store gave no outcome for a hold");
      const [outcome, heldNano = hold.holdNano] = row.verdict.split(" ");
      admit(toOutcome(outcome as Verdict, BigInt(heldNano), heldAtMs));
    });
    // Of a call that was admitted already, neither changes anything: it waits for `durable`.
    await durable.catch(fail);
  }
}

/** Of a hold whose commit has been waited for. */
function toOutcome(outcome: Verdict, holdNano: bigint, heldAtMs: number): HoldOutcome {
  return outcome === "held" ? { outcome, holdNano, heldAtMs, durable: DONE } : { outcome };
}

function compare(one: string, two: string): number {
  return one < two ? -1 : one > two ? 1 : 0;
}
