import { setTimeout as sleep } from "node:timers/promises";
import type { Logger, Metrics, Queues } from "@tac/kit";
import { Wire } from "@tac/protocol";
import { z } from "zod";
import { batchesToCollect } from "../store/batches.ts";
import { jobsToInvoice } from "../store/invoices.ts";
import { type CollectDeps, collectBatch } from "./collectBatch.ts";
import { type IssueDeps, issueInvoice } from "./issueInvoice.ts";

const BATCH_QUEUE = "billing-batches";
const INVOICE_QUEUE = "billing-invoices";

const batchPayload = z.object({ laneId: z.int().min(0), batchNumber: Wire.uint64 });
const invoicePayload = z.object({ jobId: Wire.bytes32 });

const CONCURRENCY = 4;
const MAX_PER_SWEEP = 500;
const ATTEMPTS = 10;
const BACKOFF_MS = 250;
/** A job that failed all its attempts is queued anew under another id after this long. */
const REQUEUE_MS = 120_000;

export type PipelineDeps = CollectDeps &
  IssueDeps & { queues: Queues; metrics: Metrics; logger: Logger; sweepMs?: number };

/** From stored events to issued invoices, through two queues. `close` ends the sweeps; the queues close themselves. */
export type Pipeline = { sweep: () => Promise<void>; close: () => Promise<void> };

/**
 * What there is to do follows from the store alone: a sweep queues every batch without content and every final job
 * without invoice. A crash between two steps therefore loses nothing, and doing a step twice changes nothing.
 */
export function createPipeline(deps: PipelineDeps): Pipeline {
  const { pool, queues, metrics, logger, sweepMs = 500 } = deps;
  const batches = queues.queue<z.input<typeof batchPayload>>(BATCH_QUEUE);
  const invoices = queues.queue<z.input<typeof invoicePayload>>(INVOICE_QUEUE);
  const issued = metrics.counter("invoices_issued_total", "Invoices issued");
  metrics.observedGauge(
    "queue_depth",
    "Batches and invoices that wait, are delayed or run",
    async () => (await batches.depth()) + (await invoices.depth()),
  );

  const sweep = async (): Promise<void> => {
    const round = Math.floor(deps.now() / REQUEUE_MS);
    const how = (name: string) => ({ jobId: `${name}-${round}`, attempts: ATTEMPTS, backoffMs: BACKOFF_MS });
    const pendingBatches = await batchesToCollect(pool, MAX_PER_SWEEP);
    const pendingJobs = await jobsToInvoice(pool, MAX_PER_SWEEP);
    if (pendingBatches.length > 0)
      await batches.addMany(
        pendingBatches.map(({ laneId, batchNumber }) => ({
          payload: { laneId, batchNumber: batchNumber.toString() },
          how: how(`batch-${laneId}-${batchNumber}`),
        })),
      );
    if (pendingJobs.length > 0)
      await invoices.addMany(
        pendingJobs.map((jobId) => ({ payload: { jobId }, how: how(`invoice-${jobId}`) })),
      );
  };

  queues.worker(
    BATCH_QUEUE,
    batchPayload,
    async ({ payload, attempt }) => {
      await collectBatch(deps, payload, attempt);
      logger.info({ laneId: payload.laneId, batchNumber: payload.batchNumber }, "batch collected");
      await sweep();
    },
    { concurrency: CONCURRENCY },
  );
  queues.worker(
    INVOICE_QUEUE,
    invoicePayload,
    async ({ payload: { jobId } }) => {
      if (!(await issueInvoice(deps, jobId))) return;
      issued.inc();
      logger.info({ jobId }, "invoice issued");
    },
    { concurrency: CONCURRENCY },
  );

  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sweep().catch((error: unknown) => logger.error({ err: error }, "sweep failed"));
      await sleep(sweepMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const ended = run();
  return {
    sweep,
    close: async () => {
      stopping.abort();
      await ended;
    },
  };
}
