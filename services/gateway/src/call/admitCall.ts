import { hash } from "node:crypto";
import { Errors, UsageReceipt } from "@tac/protocol";
import type { Hex } from "viem";
import type { Caller } from "../auth/Authenticator.ts";
import type { BudgetLevel } from "../ledger/Budget.ts";
import { hexOf } from "../ledger/bytes.ts";
import type { HoldRefusal, TakenHold } from "../ledger/Hold.ts";
import type { HoldBatcher } from "../ledger/HoldBatcher.ts";
import { newCallId } from "../ledger/newCallId.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { type BoundTerms, boundOf, outputTokensFor, worstUnits } from "./bound.ts";
import type { Route } from "./routeCall.ts";
import type { WantedCall } from "./wanted.ts";

/** A call as it asks for admission. */
export type CallRequest = {
  caller: Caller;
  wanted: WantedCall;
  route: Route;
  /** The caller's body as it came. */
  bodyBytes: Buffer;
  idempotencyKey: string | null;
  deadlineMs: number;
};

/** `durable`: see `TakenHold`. */
export type Admitted = { call: AdmittedCall; outputTokensPerChoice: bigint } & Pick<TakenHold, "durable">;

/** An admitted call, or null when its idempotency key was claimed by an earlier one. */
export type Admission = Admitted | null;

export function requestHashOf(bodyBytes: Buffer): Hex {
  return hexOf(hash("sha256", bodyBytes, "buffer"));
}

/**
 * Holds the worst case of a call; nothing may be forwarded without it. `isRepeat`: an earlier attempt of this same
 * request has spent the proof. Errors: `invalid_proof` without maxCostNano, those of `boundOf`, `proof_replayed`,
 * `credit_exhausted`, and why the job admits no calls.
 */
export async function admitCall(
  holds: HoldBatcher,
  request: CallRequest,
  isRepeat: boolean,
): Promise<Admission> {
  const { caller, wanted, route } = request;
  const { maxCostNano } = caller.proof.claims;
  if (maxCostNano === undefined) {
    throw Errors.fromCode("invalid_proof", {
      param: "maxCostNano",
      detail: "The proof names no cost limit.",
    });
  }
  const terms: BoundTerms = {
    model: route.model,
    stepOutputTokens: route.step.maxOutputTokens,
    deadlineMs: BigInt(request.deadlineMs),
    maxCostNano,
  };
  const bound = boundOf(wanted, terms);
  const callId = newCallId();
  const { gateway, jobId } = caller.usageAuth;
  const receiptId = UsageReceipt.receiptId({ gateway, jobId, claims: caller.proof.claims });
  const requestHash = requestHashOf(request.bodyBytes);
  const outcome = await holds.hold({
    callId,
    receiptId,
    jobId,
    kind: wanted.kind,
    model: wanted.model,
    providerId: route.step.providerId,
    tariffHash: route.step.tariffHash,
    holdNano: bound.holdNano,
    floorNano: bound.floorNano,
    requestHash,
    proofHash: caller.proof.proofHash,
    idempotencyKey: request.idempotencyKey,
    jtiHash: isRepeat ? null : caller.proof.jtiHash,
  });
  if (outcome.outcome === "duplicate") return null;
  if (outcome.outcome !== "held") throw refusalOf(outcome.outcome);
  const outputTokensPerChoice = outputTokensFor(wanted, terms, outcome.holdNano);
  return {
    outputTokensPerChoice,
    durable: outcome.durable,
    call: {
      callId,
      receiptId,
      heldAtMs: outcome.heldAtMs,
      job: caller.job,
      providerId: route.step.providerId,
      model: wanted.model,
      tariffHash: route.step.tariffHash,
      prices: route.model.prices,
      bound: worstUnits(wanted, terms, outputTokensPerChoice),
      requestHash,
      proof: caller.proof.jwt,
      proofHash: caller.proof.proofHash,
      usageAuthToken: caller.usageAuthToken,
    },
  };
}

function refusalOf(outcome: Exclude<HoldRefusal, "duplicate">) {
  switch (outcome) {
    case "tenant_budget_exhausted":
      return overBudget("tenant");
    case "team_budget_exhausted":
      return overBudget("team");
    case "user_budget_exhausted":
      return overBudget("user");
    default:
      return Errors.fromCode(outcome);
  }
}

function overBudget(level: BudgetLevel) {
  return Errors.fromCode("over_budget", {
    param: level,
    detail: `The ${level}'s budget does not cover the call.`,
  });
}
