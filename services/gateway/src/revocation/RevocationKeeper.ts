import { type Logger, type Loop, type Pool, startLoop, type Transaction } from "@tac/kit";
import { Errors, type Revocation, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { ChainPort } from "../chain/ChainPort.ts";
import type { FeedWriter } from "../feed/FeedWriter.ts";
import { bytesOf } from "../ledger/bytes.ts";
import type { NowMs } from "../StoreClock.ts";
import type { RevocationStore, RevocationTask } from "./RevocationStore.ts";

const IDLE_MS = 1_000;
const BATCH = 50;
/** Between two looks whether the last call of a job has ended. */
const CALLS_MS = 2_000;
/** A signature this close to its end is handed in, whatever calls still run. */
const URGENT_SECONDS = 60n;

const submitSchema = z.strictObject({
  tenant: Wire.address,
  salt: Wire.bytes32,
  deadline: Wire.uint64,
  signature: Wire.accountSignature,
});
const closeSchema = z.strictObject({ proof: Wire.token, usageAuth: Wire.token });

type Deps = {
  store: RevocationStore;
  chain: Pick<ChainPort, "submitRevocation" | "applyRevocations">;
  feed: FeedWriter;
  pool: Pool;
  nowMs: NowMs;
  logger: Logger;
};

/**
 * Carries revocations to where money settles: a tenant's signed one to the chain, a revocation of all into each open
 * lock, a holder's into the feed as the end of its job. Tasks are in the store, so they survive any process; two
 * replicas never work on the same, and doing one twice is harmless.
 */
export class RevocationKeeper {
  readonly #deps: Deps;
  #loop: Loop | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    const { logger } = this.#deps;
    const onError = (error: unknown): void =>
      logger.warn({ err: error }, "tasks of revocations could not be read");
    this.#loop = startLoop({ idleMs: IDLE_MS, onError }, async () => (await this.work()) === BATCH);
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Does what is due once. Returns how many tasks it took. */
  async work(): Promise<number> {
    const tasks = await this.#deps.store.takeTasks(BATCH);
    const locks = tasks.filter(({ kind }) => kind === "apply");
    await this.#attempt(locks, () => this.#apply(locks));
    for (const task of tasks) {
      if (task.kind === "submit") await this.#attempt([task], () => this.#submit(task));
      if (task.kind === "close") await this.#attempt([task], () => this.#close(task));
    }
    return tasks.length;
  }

  /** A task that fails for a reason that lasts is ended with it; any other comes again by itself. */
  async #attempt(tasks: readonly RevocationTask[], work: () => Promise<void>): Promise<void> {
    if (tasks.length === 0) return;
    const jobIds = tasks.map(({ jobId }) => jobId);
    try {
      await work();
    } catch (error) {
      const isFinal = error instanceof Errors.ProtocolError && error.code === "invalid_signature";
      if (isFinal)
        for (const task of tasks) await this.#deps.store.endTask(task, `refused: ${error.message}`);
      this.#deps.logger.error({ err: error, jobIds, isFinal }, "a revocation did not reach the chain");
    }
  }

  /** A revocation on chain breaks off the calls that run, so those admitted before this one may end first. */
  async #submit(task: RevocationTask): Promise<void> {
    const { signature, ...revocation } = Wire.parse(submitSchema, task.payload, "internal");
    const endsSoon = revocation.deadline <= BigInt(Math.floor(this.#deps.nowMs() / 1000)) + URGENT_SECONDS;
    if (!endsSoon && (await this.#hasCalls(task.jobId))) {
      await this.#deps.store.postponeTask(task, CALLS_MS);
      return;
    }
    const transactionHash = await this.#deps.chain.submitRevocation(
      revocation satisfies Revocation.Revocation,
      signature,
    );
    await this.#deps.store.endTask(task, "done");
    this.#deps.logger.info({ jobId: task.jobId, transactionHash }, "a revocation is on chain");
  }

  async #hasCalls(jobId: Hex): Promise<boolean> {
    const { rowCount } = await this.#deps.pool.query("SELECT FROM running_calls WHERE job_id = $1 LIMIT 1", [
      bytesOf(jobId),
    ]);
    return rowCount === 1;
  }

  async #apply(tasks: readonly RevocationTask[]): Promise<void> {
    const jobIds = tasks.map(({ jobId }) => jobId);
    const transactionHash = await this.#deps.chain.applyRevocations(jobIds);
    for (const task of tasks) await this.#deps.store.endTask(task, "done");
    this.#deps.logger.info({ jobIds, transactionHash }, "a revocation of all is in the locks");
  }

  /** Calls admitted before the revocation still settle, so the job ends in the feed after the last of them. */
  async #close(task: RevocationTask): Promise<void> {
    const body = { jobId: task.jobId, ...Wire.parse(closeSchema, task.payload, "internal") };
    let isWaiting = false;
    await this.#deps.feed.change({ kind: "job-closed", body }, async (transaction) => {
      const status = await closeRevoked(transaction, task.jobId);
      isWaiting = status === "open";
      return status === "closed now";
    });
    if (isWaiting) await this.#deps.store.postponeTask(task, CALLS_MS);
    else await this.#deps.store.endTask(task, "done");
  }
}

async function closeRevoked(transaction: Transaction, jobId: Hex): Promise<string | undefined> {
  // Taken by itself first, so that the update sees every call that was admitted before it got the row.
  await transaction.query("SELECT FROM jobs WHERE job_id = $1 FOR NO KEY UPDATE", [bytesOf(jobId)]);
  const { rowCount } = await transaction.query(
    `UPDATE jobs SET status = 'closed', closed_at_ms = store_now_ms()
      WHERE job_id = $1 AND status = 'open' AND held_nano = 0
        AND NOT EXISTS (SELECT FROM calls WHERE job_id = $1 AND ended_at_ms IS NULL)`,
    [bytesOf(jobId)],
  );
  if (rowCount === 1) return "closed now";
  const { rows } = await transaction.query<{ status: string }>("SELECT status FROM jobs WHERE job_id = $1", [
    bytesOf(jobId),
  ]);
  return rows[0]?.status;
}
