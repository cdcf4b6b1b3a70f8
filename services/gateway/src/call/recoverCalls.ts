import { isStoreUnavailable } from "@tac/kit";
import { Pricing, Tariff, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import type { JobStore } from "../jobs/JobStore.ts";
import type { TariffStore } from "../jobs/TariffStore.ts";
import { hexOf } from "../ledger/bytes.ts";
import { releaseCall } from "../ledger/releaseCall.ts";
import { type ChargeDeps, chargeCall } from "./chargeCall.ts";
import type { DeferredCharges } from "./DeferredCharges.ts";
import type { Replica } from "./Replica.ts";
import type { RunningCalls } from "./RunningCalls.ts";

export type RecoveryDeps = ChargeDeps & {
  replica: Replica;
  running: RunningCalls;
  charges: DeferredCharges;
  jobs: JobStore;
  tariffs: TariffStore;
};

export type Recovered = { released: number; captured: number };

type Row = {
  call_id: Buffer;
  receipt_id: Buffer;
  job_id: Buffer;
  state: "held" | "delivered";
  provider_id: bigint;
  model: string;
  tariff_hash: Buffer;
  metered_units: unknown;
  request_hash: Buffer;
  response_hash: Buffer | null;
  proof_hash: Buffer;
  proof: string | null;
  usage_auth: string | null;
  held_at_ms: bigint;
};

// A call of this very process that it no longer works on was left behind by a store that failed in between.
const OWN_LEFTOVER_MS = 60_000;

/**
 * Ends calls that nobody works on any more: those of this replica's earlier lives, those of replicas whose lease
 * lapsed, and what this process itself left behind. The rule:
 * - `held`: nothing was delivered, as far as the store knows; the hold is released and nothing is charged;
 * - `delivered`: a stream's last checkpoint says what was; exactly that is charged.
 * Both end the call by its state, so a call that ended meanwhile stays as it is and none is charged twice. One that
 * cannot be ended is logged and looked at again next time; it keeps no other from its end. Errors: the store is away.
 */
export async function recoverCalls(deps: RecoveryDeps): Promise<Recovered> {
  const recovered: Recovered = { released: 0, captured: 0 };
  const rows = await abandoned(deps);
  const ours = new Set([...deps.running.ids(), ...deps.charges.ids()]);
  for (const row of rows) {
    const callId = hexOf(row.call_id);
    if (ours.has(callId)) continue;
    try {
      if (row.state === "held") {
        if (await releaseCall(deps.pool, callId, "abandoned")) recovered.released += 1;
      } else if (await chargeDelivered(deps, callId, row)) {
        recovered.captured += 1;
      }
    } catch (error) {
      if (isStoreUnavailable(error)) throw error;
      deps.logger.error({ err: error, callId }, "an abandoned call could not be recovered");
    }
  }
  if (recovered.released + recovered.captured > 0) deps.logger.info(recovered, "abandoned calls recovered");
  return recovered;
}

async function abandoned({ pool, replica }: RecoveryDeps): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT c.* FROM running_calls o JOIN calls c USING (call_id) LEFT JOIN replicas r ON r.incarnation = o.owner
      WHERE ((c.owner = $1 AND o.since_ms < store_now_ms() - $2::bigint)
          OR (c.owner <> $1 AND (r.incarnation IS NULL OR r.replica_id = $3 OR r.lease_until_ms < store_now_ms())))
      ORDER BY c.held_at_ms LIMIT 1000`,
    [replica.incarnation, OWN_LEFTOVER_MS, replica.replicaId],
  );
  return rows;
}

async function chargeDelivered(deps: RecoveryDeps, callId: Hex, row: Row): Promise<boolean> {
  const jobId = hexOf(row.job_id);
  const tariffHash = hexOf(row.tariff_hash);
  const [job, tariff] = await Promise.all([deps.jobs.find(jobId), deps.tariffs.find(tariffHash)]);
  const model = tariff && Tariff.findModel(tariff, row.model);
  const { proof, usage_auth: usageAuthToken, response_hash: responseHash } = row;
  const isCheckpointed = responseHash !== null && proof !== null && usageAuthToken !== null;
  if (job === null || !model || !isCheckpointed) {
    throw new Error(`The call ${callId} cannot be recovered: its job, tariff or checkpoint is missing`);
  }
  const metered = Wire.parse(Pricing.unitsSchema, row.metered_units, "internal");
  return chargeCall(
    deps,
    {
      callId,
      receiptId: hexOf(row.receipt_id),
      heldAtMs: Number(row.held_at_ms),
      job,
      providerId: Number(row.provider_id),
      model: row.model,
      tariffHash,
      prices: model.prices,
      bound: metered,
      requestHash: hexOf(row.request_hash),
      proof,
      proofHash: hexOf(row.proof_hash),
      usageAuthToken,
    },
    {
      metered,
      responseHash: hexOf(responseHash),
      outcome: "recovered",
      report: null,
      reportWaitMs: 0,
      answer: () => ({ status: 200, headers: {}, body: null }),
    },
  );
}
