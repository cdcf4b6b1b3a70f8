import {
  byteaArray,
  isStoreUnavailable,
  type Pool,
  type Transaction,
  textArray,
  withTransaction,
} from "@tac/kit";
import type { FeedEvent } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { bytesOf } from "../ledger/bytes.ts";
import { type Capture, toColumns, toValues } from "../ledger/Capture.ts";
import type { NowMs } from "../StoreClock.ts";
import { chainEvents, type FeedPosition, positionAfter, type WrittenEvent } from "./chainEvents.ts";
import { appendValues, readHead } from "./feedStore.ts";

type Usage = { body: FeedEvent.FeedBody; capture: Capture };
/** A change that has an event of its own; false means that there was nothing to do, and no event. */
type Change = { body: FeedEvent.FeedBody; apply: (transaction: Transaction) => Promise<boolean> };
type Task = (Usage | Change) & { settle: (happened: boolean) => void; fail: (error: unknown) => void };
type UsageTask = Extract<Task, Usage>;

const MAX_BATCH = 256;
const CALL_NOT_OPEN = "TAC01";

/**
 * The one writer of this process to the gateway's feed. What waits is written together: captures of many calls, of
 * whatever jobs, in one statement that charges, releases, stores the receipts and answers, and appends their events.
 * The head is remembered and moved by compare-and-swap; after losing to another replica it is locked instead.
 */
export class FeedWriter {
  readonly #pool: Pool;
  readonly #gateway: Address;
  readonly #nowMs: NowMs;
  #tasks: Task[] = [];
  #head: FeedPosition | null = null;
  #isWriting = false;

  constructor(pool: Pool, gateway: Address, nowMs: NowMs) {
    this.#pool = pool;
    this.#gateway = gateway;
    this.#nowMs = nowMs;
  }

  /** Charges a call; false when it had already ended, then nothing is written. */
  capture(body: FeedEvent.FeedBody, capture: Capture): Promise<boolean> {
    return this.#enqueue({ body, capture });
  }

  /** Commits a change and its event together. */
  change(body: FeedEvent.FeedBody, apply: Change["apply"]): Promise<boolean> {
    return this.#enqueue({ body, apply });
  }

  #enqueue(work: Usage | Change): Promise<boolean> {
    return new Promise((settle, fail) => {
      this.#tasks.push({ ...work, settle, fail });
      if (!this.#isWriting) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isWriting = true;
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      try {
        const [first] = batch;
        if (first && "apply" in first) first.settle(await this.#writeChange(first));
        else await this.#writeUsage(batch.filter(isUsage));
      } catch (error) {
        this.#head = null;
        if (batch.length > 1 && !isStoreUnavailable(error)) await this.#writeEach(batch.filter(isUsage));
        else for (const { fail } of batch) fail(error);
      }
    }
    this.#isWriting = false;
  }

  /** One charge that the store rejects must not keep the others of its batch from being made. */
  async #writeEach(batch: readonly UsageTask[]): Promise<void> {
    for (const task of batch) await this.#writeUsage([task]).catch(task.fail);
  }

  #next(): Task[] {
    const end = this.#tasks.slice(0, MAX_BATCH).findIndex((task) => !isUsage(task));
    return this.#tasks.splice(0, end === -1 ? MAX_BATCH : Math.max(end, 1));
  }

  async #writeUsage(batch: UsageTask[]): Promise<void> {
    let open = batch;
    while (open.length > 0) {
      const gone = await this.#tryUsage(open);
      if (gone === null) {
        for (const { settle } of open) settle(true);
        return;
      }
      const ended = open.filter(({ capture }) => capture.callId === gone);
      if (ended.length === 0) throw new Error("The store refused a call that was not in the batch");
      for (const { settle } of ended) settle(false);
      open = open.filter((task) => !ended.includes(task));
    }
  }

  /** Writes all, or nothing and the id of a call that had already ended. */
  async #tryUsage(batch: readonly UsageTask[]): Promise<Hex | null> {
    try {
      const remembered = this.#head;
      if (remembered !== null && (await this.#write(this.#pool, remembered, batch))) return null;
      await withTransaction(this.#pool, async (transaction) => {
        const head = await readHead(transaction, this.#gateway, true);
        if (!(await this.#write(transaction, head, batch))) throw new Error("A locked feed head moved");
      });
      return null;
    } catch (error) {
      this.#head = null;
      const callId = endedCallOf(error);
      if (callId === null) throw error;
      return callId;
    }
  }

  async #write(
    connection: Pool | Transaction,
    head: FeedPosition,
    batch: readonly UsageTask[],
  ): Promise<boolean> {
    const events = chainEvents(
      head,
      batch.map(({ body }) => body),
      this.#nowMs(),
    );
    const { rows } = await connection.query<{ written: boolean }>(captureOf(head, events, batch));
    const written = rows[0]?.written === true;
    this.#head = written ? positionAfter(head, events) : null;
    return written;
  }

  async #writeChange({ body, apply }: Change): Promise<boolean> {
    return withTransaction(this.#pool, async (transaction) => {
      const head = await readHead(transaction, this.#gateway, true);
      this.#head = null;
      if (!(await apply(transaction))) return false;
      const events = chainEvents(head, [body], this.#nowMs());
      await transaction.query("SELECT feed_append($1, $2, $3, $4, $5)", appendValues(head, events));
      return true;
    });
  }
}

/** The statement that charges a batch: most batches at low rates are of one call, which the store then need not sort. */
function captureOf(head: FeedPosition, events: readonly WrittenEvent[], batch: readonly UsageTask[]) {
  const place = [bytesOf(head.gateway), head.seq, events.at(-1)?.event.recordedAtMs ?? head.recordedAtMs];
  const [event] = events;
  const [task] = batch;
  if (event !== undefined && task !== undefined && batch.length === 1) {
    return {
      name: "capture_call",
      text: "SELECT capture_call($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS written",
      values: [...place, event.text, bytesOf(event.event.hash), ...toValues(task.capture)],
    };
  }
  return {
    name: "capture_calls",
    text: "SELECT capture_calls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS written",
    values: [
      ...place,
      textArray(events.map(({ text }) => text)),
      byteaArray(events.map(({ event: { hash } }) => hash)),
      ...toColumns(batch.map(({ capture }) => capture)),
    ],
  };
}

function isUsage(task: Task): task is UsageTask {
  return "capture" in task;
}

function endedCallOf(error: unknown): Hex | null {
  if (!(error instanceof Error) || !("code" in error) || error.code !== CALL_NOT_OPEN) return null;
  return "detail" in error && typeof error.detail === "string" ? `0x${error.detail}` : null;
}
