import { EventEmitter, once } from "node:events";
import type { Pool } from "@tac/kit";
import { type Deployment, Pricing, UsageReceipt, UsageReport, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { ChainPort } from "../chain/ChainPort.ts";
import { bytesOf } from "../ledger/bytes.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { isReportOf, type SettledUnits } from "./settleUnits.ts";

const SIGNING_KEY_TTL_MS = 60_000;

/** Providers' signed unit counts: verifying, storing and waiting for them. */
export class UsageReports {
  readonly #pool: Pool;
  readonly #chain: Pick<ChainPort, "signingKeyOf">;
  readonly #domains: Deployment.Domains;
  readonly #arrivals = new EventEmitter().setMaxListeners(0);
  readonly #keys = new Map<number, { key: Address | null; readAtMs: number }>();

  constructor(pool: Pool, chain: Pick<ChainPort, "signingKeyOf">, domains: Deployment.Domains) {
    this.#pool = pool;
    this.#chain = chain;
    this.#domains = domains;
  }

  /** True when the provider's key on chain signed the report. Errors: `chain_unavailable`. */
  async isSignedByProvider(signed: UsageReport.SignedUsageReport): Promise<boolean> {
    const key = await this.#signingKeyOf(signed.report.providerId);
    return key !== null && UsageReport.recover(signed, this.#domains.usageReceipts) === key;
  }

  /** True when the report is genuine and about this call. */
  async isGenuine(signed: UsageReport.SignedUsageReport, call: AdmittedCall): Promise<boolean> {
    const subject = {
      receiptId: call.receiptId,
      jobId: call.job.jobId,
      providerId: call.providerId,
      modelHash: UsageReceipt.modelHash(call.model),
    };
    return isReportOf(signed.report, subject) && (await this.isSignedByProvider(signed));
  }

  /** The report that came through POST /v1/usage/emit, waiting for it for some time. */
  async find(callId: Hex, waitMs: number): Promise<UsageReport.SignedUsageReport | null> {
    const deadline = AbortSignal.timeout(Math.max(waitMs, 1));
    for (;;) {
      const stored = await this.#read(callId);
      if (stored !== null || deadline.aborted || waitMs === 0) return stored;
      // Another replica may have taken the report in, so the store is looked at again now and then.
      const pause = AbortSignal.any([deadline, AbortSignal.timeout(100)]);
      await once(this.#arrivals, callId, { signal: pause }).catch((error: unknown) => {
        if (!pause.aborted) throw error;
      });
    }
  }

  /** Stores a provider's report; the first one of a call stays. */
  async store(
    callId: Hex,
    signed: UsageReport.SignedUsageReport,
    verdict: { isLate: boolean; agrees: boolean | null },
  ): Promise<void> {
    await this.#pool.query(
      "INSERT INTO usage_reports VALUES ($1, $2, $3, $4, $5, store_now_ms()) ON CONFLICT DO NOTHING",
      [
        bytesOf(callId),
        signed.report.providerId,
        JSON.stringify(UsageReport.toJson(signed)),
        verdict.isLate,
        verdict.agrees,
      ],
    );
    this.#arrivals.emit(callId);
  }

  async recordDisagreement(
    call: { callId: Hex; providerId: number },
    metered: Pricing.Units,
    reported: Pricing.Units,
    settled: Pricing.Units | null,
    reason: NonNullable<SettledUnits["disagreement"]> | "late",
  ): Promise<void> {
    await this.#pool.query(
      "INSERT INTO usage_disagreements VALUES ($1, $2, $3, $4, $5, $6, store_now_ms()) ON CONFLICT DO NOTHING",
      [
        bytesOf(call.callId),
        call.providerId,
        JSON.stringify(Pricing.unitsToJson(metered)),
        JSON.stringify(Pricing.unitsToJson(reported)),
        settled === null ? null : JSON.stringify(Pricing.unitsToJson(settled)),
        reason,
      ],
    );
  }

  async #read(callId: Hex): Promise<UsageReport.SignedUsageReport | null> {
    const { rows } = await this.#pool.query<{ signed_report: unknown }>(
      "SELECT signed_report FROM usage_reports WHERE call_id = $1",
      [bytesOf(callId)],
    );
    return rows[0] === undefined ? null : Wire.parse(UsageReport.schema, rows[0].signed_report, "internal");
  }

  async #signingKeyOf(providerId: number): Promise<Address | null> {
    const known = this.#keys.get(providerId);
    if (known && performance.now() - known.readAtMs < SIGNING_KEY_TTL_MS) return known.key;
    try {
      const key = await this.#chain.signingKeyOf(providerId);
      this.#keys.set(providerId, { key, readAtMs: performance.now() });
      return key;
    } catch (error) {
      // A key changes in two slow steps on chain, so for the length of an outage the last one known will do.
      if (known) return known.key;
      throw error;
    }
  }
}
