import type { Capability, HolderKey, Quote } from "@tac/protocol";
import type { Address, Hex } from "viem";

/** A signed price promise for a plan; nothing is locked and nothing can be spent yet. */
export type QuotedJob = {
  tenant: Address;
  /** EIP-712 digest of the quote, which the capability will name. */
  quoteHash: Hex;
  signedQuote: Quote.SignedQuote;
};

/** Who within the tenant a job is for; its spending counts against their budgets too. */
export type JobOwner = { team?: string; user?: string };

/** Where the credit of a job was locked. */
export type LockReference = { transactionHash: Hex; blockNumber: bigint };

/** A job the tenant has signed for. A plain value: it holds no secret and no connection. */
export type Job = QuotedJob & {
  jobId: Hex;
  capability: Capability.Capability;
  capabilityHash: Hex;
  capabilitySignature: Hex;
  /** Public key whose private half must sign every call; its thumbprint is `capability.holder`. */
  jwk: HolderKey.Jwk;
  /** Null until the gateway has answered that the lock is on chain. */
  lock: LockReference | null;
};
