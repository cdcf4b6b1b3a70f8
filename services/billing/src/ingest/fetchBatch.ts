import { FetchError, fetchJson } from "@tac/kit";
import { type Deployment, Errors } from "@tac/protocol";
import type { Dispatcher } from "undici";
import { type AggregatorBatch, aggregatorBatchSchema } from "./AggregatorBatch.ts";
import { BatchRefusedError, type CheckedBatch, type CommittedBatch, checkBatch } from "./checkBatch.ts";

/** Gets one batch from one aggregator. */
export type AggregatorPort = {
  url: string;
  batch: (laneId: number, batchNumber: bigint) => Promise<AggregatorBatch>;
};

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 512 * 1024 * 1024;

/** @param dispatcher with what it takes to trust the aggregator; undici's own when absent. */
export function createAggregator(url: string, dispatcher?: Dispatcher): AggregatorPort {
  return {
    url,
    batch: (laneId, batchNumber) =>
      fetchJson(`${url.replace(/\/+$/, "")}/v1/batches/${batchNumber}?lane=${laneId}`, {
        schema: aggregatorBatchSchema,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_BYTES,
        ...(dispatcher === undefined ? {} : { dispatcher }),
      }),
  };
}

/**
 * The batch from any aggregator whose answer agrees with the chain, one that knows who signed if there is one. Only the
 * replica that collected the shares may know them, so without one of those the answer is accepted only when
 * `acceptUnsigned`. Throws `provider_error` naming what each aggregator did.
 */
export async function fetchBatch(
  aggregators: readonly AggregatorPort[],
  onChain: CommittedBatch,
  { domains, acceptUnsigned }: { domains: Deployment.Domains; acceptUnsigned: boolean },
): Promise<CheckedBatch> {
  const { laneId, batchNumber } = onChain.committed;
  const refusals: string[] = [];
  let unsigned: CheckedBatch | null = null;
  for (const aggregator of aggregators) {
    try {
      const body = await aggregator.batch(laneId, batchNumber);
      const checked = await checkBatch(body, onChain, domains);
      if (checked.signers.length > 0) return checked;
      unsigned ??= checked;
      refusals.push(`${aggregator.url}: does not know who signed`);
    } catch (error) {
      if (!(error instanceof FetchError) && !(error instanceof BatchRefusedError)) throw error;
      refusals.push(`${aggregator.url}: ${error.message}`);
    }
  }
  if (unsigned !== null && acceptUnsigned) return unsigned;
  throw Errors.fromCode("provider_error", {
    detail: `No aggregator has batch ${batchNumber} of lane ${laneId}: ${refusals.join("; ")}.`,
  });
}
