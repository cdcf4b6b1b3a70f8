import type { Pricing } from "@tac/protocol";
import type { Hex } from "viem";
import type { Job } from "../jobs/Job.ts";

/** A call with a hold: all that its receipt will need. */
export type AdmittedCall = {
  /** Of this attempt alone: a call that was released and is retried runs under another. */
  callId: Hex;
  /** Of the call, whichever attempt of it is charged; `UsageReceipt.receiptId` of the caller's proof. */
  receiptId: Hex;
  /** When its hold was taken; what the capability allows is judged by this time, however long the call runs. */
  heldAtMs: number;
  job: Job;
  providerId: number;
  model: string;
  tariffHash: Hex;
  prices: Pricing.Prices;
  /** The most units that can be charged; their cost is within the hold. */
  bound: Pricing.Units;
  requestHash: Hex;
  /** The caller's DPoP JWT. */
  proof: string;
  proofHash: Hex;
  usageAuthToken: string;
};
