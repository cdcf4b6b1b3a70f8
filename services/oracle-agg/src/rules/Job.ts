import type { Capability, Quote } from "@tac/protocol";
import type { Address, Hex } from "viem";

/** A job as its gateway's feed opened it. */
export type Job = {
  gateway: Address;
  jobId: Hex;
  openedSeq: bigint;
  capability: Capability.Capability;
  capabilityHash: Hex;
  capabilitySignature: Hex;
  /** False: the tenant is a contract, which only the chain can ask (ERC-1271). */
  isEoaSigned: boolean;
  signedQuote: Quote.SignedQuote;
};

/** The tariff version behind a hash, if the job's quote names it. */
export const quotedTariff = (job: Job, tariffHash: Hex): Quote.TariffRef | undefined =>
  job.signedQuote.tariffs.find((ref) => ref.tariffHash === tariffHash);

/** The provider under whose line a job ends when no receipt of the batch carries the end. */
export const lowestProvider = (job: Job): number =>
  Math.min(...job.signedQuote.steps.map(({ providerId }) => providerId));

/** Two gateways may open a job of the same id; only one of them has the capability the lock was made with. */
export const jobKey = (gateway: Address, jobId: Hex): string => `${gateway} ${jobId}`;
