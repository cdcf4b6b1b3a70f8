import { createHash } from "node:crypto";
import { Errors, type Pricing, type UsageReport } from "@tac/protocol";
import type { Hex } from "viem";
import { hexOf } from "../ledger/bytes.ts";
import type { CaptureOutcome } from "../ledger/Capture.ts";
import { type ReleaseReason, releaseCall } from "../ledger/releaseCall.ts";
import { type ProviderAnswer, toProviderError } from "../upstream/ProviderPool.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { Checkpoint } from "./Checkpoint.ts";
import { type CallEnd, type ChargeDeps, chargeCall } from "./chargeCall.ts";
import { type DeliveryTerms, parseReport } from "./deliverWhole.ts";
import { SseBlocks } from "./sseBlocks.ts";
import { StreamMeter } from "./streamMeter.ts";
import { meteredUnits, withinBound } from "./units.ts";
import type { WantedCall } from "./wanted.ts";

export type StreamTerms = DeliveryTerms & {
  headers: Record<string, string>;
  /** Has the charge made after what is being delivered. */
  defer: (charge: () => Promise<void>) => Promise<void>;
};

const AFTER_CLOSING_MS = 500;

/**
 * Passes a provider's stream on, event by event, and charges what was delivered when it ends, however it ends:
 * - to the end: the closing event is delivered, and the charge follows;
 * - the caller hangs up: the upstream is aborted, and the events the caller's side took are charged;
 * - the hold is used up, the capability is revoked on chain, or the provider breaks off: the same, and the stream ends
 *   with an error event;
 * - nothing was delivered, or comments alone: the hold is released, and nothing is charged.
 * A job that demands countersignatures pays for a stream that ended early too, if its provider reports in time, by a call
 * of its own since the stream is gone, and no more than was delivered. Else nothing is charged: no aggregator would take it.
 * An event counts as delivered when the next one is asked for, which backpressure delays until it was taken.
 */
export class StreamDelivery {
  readonly #deps: ChargeDeps;
  readonly #call: AdmittedCall;
  readonly #answer: ProviderAnswer;
  readonly #terms: StreamTerms;
  readonly #meter: StreamMeter;
  readonly #checkpoint: Checkpoint;
  readonly #hash = createHash("sha256");
  #stored: Buffer[] = [];
  #deliveredBytes = 0;
  #hasContent = false;
  #report: UsageReport.SignedUsageReport | null = null;
  #outcome: CaptureOutcome = "disconnected";
  #closing: Buffer | null = null;

  constructor(
    deps: ChargeDeps,
    call: AdmittedCall,
    wanted: WantedCall,
    answer: ProviderAnswer,
    terms: StreamTerms,
  ) {
    this.#deps = deps;
    this.#call = call;
    this.#answer = answer;
    this.#terms = terms;
    this.#meter = new StreamMeter(wanted.inputBytes, wanted.wantsUsage);
    this.#checkpoint = new Checkpoint(deps, call);
  }

  /** Errors: `provider_error`, `provider_timeout`, only while nothing was delivered. */
  async *events(): AsyncGenerator<Buffer, void, undefined> {
    let failure: unknown = null;
    let hasEnded = false;
    try {
      try {
        for await (const { block, text, isContent } of this.#blocks()) {
          yield block;
          this.#record(block);
          if (!isContent) continue;
          this.#hasContent = true;
          this.#meter.delivered(text);
          this.#checkpoint.note(() => ({ units: this.#metered(), responseHash: this.#responseHash() }));
        }
      } catch (cause) {
        if (this.#closing !== null) this.#outcome = "complete";
        else if (!this.#terms.interruption.isHangUp) {
          failure = toProviderError(cause, this.#terms.interruption);
          if (failure !== this.#terms.interruption.reason) this.#outcome = "provider_broke_off";
        }
      }
      if (this.#outcome === "complete" && !this.#hasContent) {
        failure = Errors.fromCode("provider_error", { detail: "The provider's stream was empty." });
      }
      hasEnded = true;
      const isWhole = this.#outcome === "complete" && failure === null;
      if (isWhole && this.#closing !== null) this.#record(this.#closing);
      const end = this.#ending();
      await (isWhole ? this.#terms.defer(end) : end());
      if (failure !== null && this.#deliveredBytes === 0) throw failure;
      const last = this.#lastEvent(failure);
      if (last !== null) yield last;
    } finally {
      // Reached without an end only when the caller hung up.
      if (!hasEnded) {
        this.#terms.interruption.abort();
        await this.#ending()();
      }
    }
  }

  async *#blocks(): AsyncGenerator<{ block: Buffer; text: bigint; isContent: boolean }> {
    for await (const blocks of this.#chunks()) {
      for (const block of blocks) {
        const verdict = this.#meter.read(block);
        if (verdict.report !== null) this.#report = parseReport(this.#deps, verdict.report);
        if (verdict.isEnd) this.#endSoon(block);
        if (this.#closing !== null || !verdict.deliver) continue;
        if (verdict.textBytes > 0n && this.#isHoldUsedUp()) {
          this.#outcome = "hold_exhausted";
          this.#terms.interruption.abort();
          return;
        }
        yield { block, text: verdict.textBytes, isContent: verdict.carriesData };
      }
    }
    this.#outcome = "complete";
  }

  async *#chunks(): AsyncGenerator<Buffer[]> {
    const blocks = new SseBlocks();
    for await (const chunk of this.#answer.body as AsyncIterable<Buffer>) yield blocks.push(chunk);
    const last = blocks.end();
    if (last !== null) yield [last];
  }

  /** After its closing event a provider may still send its report, but not keep the caller waiting. */
  #endSoon(closing: Buffer): void {
    this.#closing ??= closing;
    const { body } = this.#answer;
    const timer = setTimeout(() => body.destroy(), AFTER_CLOSING_MS);
    body.once("close", () => clearTimeout(timer));
  }

  /** An event with text is at least one token, so more of them than tokens were held for means the hold is spent. */
  #isHoldUsedUp(): boolean {
    const limit = this.#call.bound.outputTokens;
    return this.#meter.leastOutputTokens() + 1n > limit || (this.#meter.reportedOutputTokens() ?? 0n) > limit;
  }

  #record(block: Buffer): void {
    this.#hash.update(block);
    this.#deliveredBytes += block.length;
    if (this.#deliveredBytes <= this.#terms.maxStoredBytes) this.#stored.push(block);
    else this.#stored = [];
  }

  /** What ends the call. What it costs is said now, however late and often that has to be tried. */
  #ending(): () => Promise<void> {
    const end = this.#hasContent ? this.#charge() : this.#release();
    return async () => {
      await this.#checkpoint.settle();
      await end();
    };
  }

  #release(): () => Promise<unknown> {
    const reason = this.#whyNothing();
    return () => releaseCall(this.#deps.pool, this.#call.callId, reason);
  }

  #charge(): () => Promise<unknown> {
    const { maxStoredBytes, headers, reportWaitMs } = this.#terms;
    const body = this.#deliveredBytes <= maxStoredBytes ? Buffer.concat(this.#stored) : null;
    const end: CallEnd = {
      metered: this.#metered(),
      responseHash: this.#responseHash(),
      outcome: this.#outcome,
      report: this.#report,
      reportWaitMs,
      answer: () => ({ status: this.#answer.status, headers, body }),
    };
    return () => chargeCall(this.#deps, this.#call, end);
  }

  #whyNothing(): ReleaseReason {
    if (this.#terms.interruption.reason instanceof Errors.ProtocolError) return "capability_revoked";
    return this.#outcome === "disconnected" ? "disconnected_before_delivery" : "provider_error";
  }

  #lastEvent(failure: unknown): Buffer | null {
    if (failure !== null) return errorEvent(failure);
    if (this.#outcome === "hold_exhausted") return errorEvent(Errors.fromCode("credit_exhausted"));
    return this.#outcome === "complete" ? this.#closing : null;
  }

  #metered(): Pricing.Units {
    const { prices, bound } = this.#call;
    const durationMs = performance.now() - this.#terms.startedAtMs;
    return withinBound(meteredUnits(this.#meter.tokens(), prices, durationMs), bound);
  }

  #responseHash(): Hex {
    return hexOf(this.#hash.copy().digest());
  }
}

function errorEvent(error: unknown): Buffer {
  const known =
    error instanceof Errors.ProtocolError ? error : Errors.fromCode("provider_error", { cause: error });
  return Buffer.from(`data: ${JSON.stringify(known.toOpenAi())}\n\n`);
}
