import { setTimeout as sleep } from "node:timers/promises";
import { Errors } from "@tac/protocol";
import type { Caller } from "../auth/Authenticator.ts";
import type { HoldBatcher } from "../ledger/HoldBatcher.ts";
import { type ReleaseReason, releaseCall } from "../ledger/releaseCall.ts";
import type { ProviderPool } from "../upstream/ProviderPool.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { type Admitted, admitCall, type CallRequest, requestHashOf } from "./admitCall.ts";
import { answerHeaders } from "./answerHeaders.ts";
import type { ChargeDeps } from "./chargeCall.ts";
import type { DeferredCharges } from "./DeferredCharges.ts";
import { deliverWhole, type WholeAnswer } from "./deliverWhole.ts";
import { forwardTaken } from "./forwardTaken.ts";
import type { Interruption } from "./Interruption.ts";
import { type FirstCall, firstCallOf } from "./idempotency.ts";
import { primedEvents } from "./primedEvents.ts";
import { type RunningCalls, tookTooLong } from "./RunningCalls.ts";
import { routeCall } from "./routeCall.ts";
import { StreamDelivery } from "./StreamDelivery.ts";
import type { WantedCall } from "./wanted.ts";

export type CallSettings = {
  /** Longest a call may take, its stream included. */
  deadlineMs: number;
  /** How long a countersigned job's call waits for the report of a provider that reports by itself. */
  reportWaitMs: number;
  /** How long a repeated key waits for its first call. */
  idempotencyWaitMs: number;
  maxAnswerBytes: number;
  maxStoredBytes: number;
};

export type CallDeps = ChargeDeps & {
  holds: HoldBatcher;
  charges: DeferredCharges;
  running: RunningCalls;
  providers: ProviderPool;
  settings: CallSettings;
  isKnownModel: (model: string) => boolean;
  /** Throws `revocations_unavailable` or `chain_unavailable` when revocations may have been missed. */
  assertRevocationsFresh: () => void;
};

export type IncomingCall = {
  caller: Caller;
  wanted: WantedCall;
  bodyBytes: Buffer;
  idempotencyKey: string | null;
  /** Aborts when the caller hangs up, and then ends the call. */
  interruption: Interruption;
};

export type CallAnswer =
  | ({ kind: "whole" } & WholeAnswer)
  | ({ kind: "replayed" } & WholeAnswer)
  | {
      kind: "stream";
      status: number;
      headers: Record<string, string>;
      events: AsyncIterable<Buffer>;
      /** Aborts when the exchange with the provider was broken off. */
      brokenOff: Interruption;
    };

/** A charge that another replica has begun is committed by then, unless its store is slow. */
const OTHER_CHARGES_MS = 50;

/** The path of a call: bound, hold, forward, meter, answer, capture. */
export class CallService {
  readonly #deps: CallDeps;

  constructor(deps: CallDeps) {
    this.#deps = deps;
  }

  /**
   * Errors: every refusal of admission, `call_running`, `idempotency_conflict`, `provider_error`,
   * `provider_timeout`, and `capability_revoked` when that came meanwhile; then nothing is charged or held.
   */
  async run(incoming: IncomingCall): Promise<CallAnswer> {
    const { caller, wanted, bodyBytes, idempotencyKey } = incoming;
    const { settings, isKnownModel, assertRevocationsFresh, providers } = this.#deps;
    assertRevocationsFresh();
    const route = routeCall(caller.job, wanted, isKnownModel);
    const provider = providers.find(route.step.providerId);
    if (provider === null) throw Errors.fromCode("unknown_provider");
    if (caller.job.capability.countersigned && provider.reportsUsage === "none") {
      throw Errors.fromCode("provider_not_allowed", {
        detail: "The job demands countersignatures; it gives none.",
      });
    }
    const request = { caller, wanted, route, bodyBytes, idempotencyKey, deadlineMs: settings.deadlineMs };
    const admitted = await this.#admit(request);
    if ("outcome" in admitted) return { kind: "replayed", ...admitted };
    return this.#deliver(admitted, incoming);
  }

  /**
   * A key whose first call was released meanwhile runs again; each round waits, so the loop ends. What a call before
   * this one left of its hold may not be free yet, for it is charged after its answer: so before less than was asked for
   * is held, or a call is refused for want of credit, those charges are waited for.
   */
  async #admit(request: CallRequest): Promise<Admitted | Extract<FirstCall, { outcome: "answered" }>> {
    const { holds, pool, settings, charges } = this.#deps;
    const { job } = request.caller;
    const { tenant } = job.capability;
    if (request.wanted.maxOutputTokens === null) await charges.ofTenant(tenant);
    let wasShort = false;
    for (let isRepeat = false; ; isRepeat = true) {
      const admission = await admitCall(holds, request, isRepeat).catch((error: unknown) => {
        if (wasShort || !isShortOfCredit(error)) throw error;
        wasShort = true;
        return "short" as const;
      });
      if (admission === "short") {
        await (charges.ofTenant(tenant) ?? sleep(OTHER_CHARGES_MS));
        continue;
      }
      if (admission !== null) return admission;
      const first = await firstCallOf(
        pool,
        job.jobId,
        request.idempotencyKey ?? "",
        requestHashOf(request.bodyBytes),
        settings.idempotencyWaitMs,
      );
      if (first.outcome !== "free") return first;
    }
  }

  async #deliver(admitted: Admitted, incoming: IncomingCall): Promise<CallAnswer> {
    const { call } = admitted;
    const { settings, providers, charges } = this.#deps;
    const { interruption } = incoming;
    const finished = this.#begin(call, interruption);
    const forwardedAtMs = performance.now();
    const commonTerms = {
      reportWaitMs: this.#reportWaitMs(call),
      maxAnswerBytes: settings.maxAnswerBytes,
      // An answer that no key will ever ask for again is not kept, neither in memory nor in the store.
      maxStoredBytes: incoming.idempotencyKey === null ? 0 : settings.maxStoredBytes,
      interruption,
    };
    try {
      const { answer, waitedMs } = await forwardTaken(providers, admitted, incoming.wanted, interruption);
      const terms = { ...commonTerms, startedAtMs: forwardedAtMs + waitedMs };
      if (!incoming.wanted.stream) {
        const { answer: whole, commit } = await deliverWhole(
          this.#deps,
          call,
          incoming.wanted,
          answer,
          terms,
        );
        await charges.defer(call, commit);
        finished();
        return { kind: "whole", ...whole };
      }
      const headers = answerHeaders(call, answer, "text/event-stream; charset=utf-8");
      const streamTerms = {
        ...terms,
        headers,
        defer: (charge: () => Promise<void>) => charges.defer(call, charge),
      };
      const delivery = new StreamDelivery(this.#deps, call, incoming.wanted, answer, streamTerms);
      const events = await primedEvents(delivery.events(), finished);
      return { kind: "stream", status: answer.status, headers, events, brokenOff: interruption };
    } catch (error) {
      finished();
      await releaseCall(this.#deps.pool, call.callId, reasonOf(error, interruption));
      throw error;
    }
  }

  /** Has recovery leave the call alone, and its deadline end it, until the returned function is called. */
  #begin(call: AdmittedCall, interruption: Interruption): () => void {
    const { running, settings } = this.#deps;
    const breakOff = (reason: Error): void => interruption.abort(reason);
    const ended = running.add(call, breakOff);
    const timer = setTimeout(() => breakOff(tookTooLong()), settings.deadlineMs);
    return () => {
      clearTimeout(timer);
      ended();
    };
  }

  #reportWaitMs({ job, providerId }: AdmittedCall): number | null {
    const reportsUsage = this.#deps.providers.find(providerId)?.reportsUsage;
    if (reportsUsage === "none") return null;
    return job.capability.countersigned && reportsUsage === "emit" ? this.#deps.settings.reportWaitMs : 0;
  }
}

function reasonOf(error: unknown, { isHangUp }: Interruption): ReleaseReason {
  if (isHangUp) return "disconnected_before_delivery";
  if (!(error instanceof Errors.ProtocolError)) return "internal";
  if (error.code === "provider_timeout" || error.code === "capability_revoked") return error.code;
  return error.code === "invalid_request" || error.code === "rate_limited"
    ? "provider_refused"
    : "provider_error";
}

function isShortOfCredit(error: unknown): boolean {
  return (
    error instanceof Errors.ProtocolError &&
    (error.code === "credit_exhausted" || error.code === "over_budget")
  );
}
