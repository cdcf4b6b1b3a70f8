import type { BatchHeader, Capability, Revocation as SignedRevocation } from "@tac/protocol";
import type { Address, Hex } from "viem";

/** A job's lock as the vault has it. */
export type ChainLock = { state: "none" | "open" | "closed"; remainingNano: bigint };

/** What decides whether a lock may be released, as of one block. */
export type LockRelease = {
  state: ChainLock["state"];
  /** What the chain has paid out of it, in nanocredits. */
  paidNano: bigint;
  /** Expiry, or an earlier revocation, and the grace: Unix seconds, by the chain's clock as `nowSeconds` is. */
  releasableAtSeconds: number;
  nowSeconds: number;
};

/** The vault's Locked event of a job: which capability the chain verified. */
export type LockEvent = { capabilityHash: Hex; transactionHash: Hex; blockNumber: bigint };

/** `jobId` null: every capability of the tenant that was valid by then. */
export type Revocation = { tenant: Address; jobId: Hex | null; revokedAtSeconds: number };

/** What a range of blocks did to jobs: up to `toBlock`, the chain being at `headBlock`. */
export type JobChanges = {
  revocations: Revocation[];
  /** Jobs whose lock was released after its expiry: nothing of them can be paid any more. */
  releasedJobIds: Hex[];
  toBlock: bigint;
  headBlock: bigint;
  headHash: Hex;
};

/** A batch as a transaction's events show it. */
export type CommittedBatch = {
  laneId: number;
  batchNumber: bigint;
  batchHash: Hex;
  header: BatchHeader.BatchHeader;
  blockNumber: bigint;
  /** Jobs with a line in the batch. */
  jobIds: Hex[];
};

/** What the gateway asks of the chain. Every method throws `chain_unavailable` when the chain does not answer. */
export type ChainPort = {
  lockOf(jobId: Hex): Promise<ChainLock>;
  lockEvent(jobId: Hex): Promise<LockEvent | null>;
  /** What a tenant has in the vault and in no lock, in nanocredits. */
  freeCreditOf(tenant: Address): Promise<bigint>;
  /**
   * Asks CapabilityAuthority, which knows ERC-1271 too. Errors: `invalid_capability`, `capability_expired`,
   * `capability_not_yet_valid`, `capability_revoked`, `invalid_signature`.
   */
  verifyCapability(capability: Capability.Capability, signature: Hex): Promise<void>;
  /**
   * Sends vault.lock and waits for its block; null when the job is locked already, perhaps a moment ago by a
   * concurrent request. Errors: those of `verifyCapability`, `credit_exhausted`.
   */
  submitLock(
    capability: Capability.Capability,
    signature: Hex,
  ): Promise<{ transactionHash: Hex; blockNumber: bigint } | null>;
  lockRelease(jobId: Hex): Promise<LockRelease>;
  /**
   * Gives what is left of an expired lock back to its tenant and waits for its block; null when the lock is closed
   * already, perhaps a moment ago by somebody else. Errors: `ChainRevert` before its time.
   */
  submitRelease(jobId: Hex): Promise<{ transactionHash: Hex; releasedNano: bigint } | null>;
  /** Asks a tenant that is a contract (ERC-1271) whether it signed; false for an address without code. */
  isSignedByAccount(account: Address, digest: Hex, signature: Hex): Promise<boolean>;
  /**
   * Hands a signed revocation to CapabilityAuthority and waits for its block; null when the capability was revoked on
   * chain before. Errors: `invalid_signature`, also when its deadline has passed.
   */
  submitRevocation(revocation: SignedRevocation.Revocation, signature: Hex): Promise<Hex | null>;
  /** Writes what CapabilityAuthority says into the locks of these jobs. */
  applyRevocations(jobIds: readonly Hex[]): Promise<Hex>;
  /** Unix seconds; 0 while not revoked. */
  revokedAt(tenant: Address, jobId: Hex, validAfter: bigint): Promise<number>;
  /** Zero hash when the provider published no such version. */
  tariffHashOf(providerId: number, version: number): Promise<Hex>;
  /** Null unless the provider is active. */
  signingKeyOf(providerId: number): Promise<Address | null>;
  isGateway(address: Address): Promise<boolean>;
  /**
   * Revocations and releases from a block on, as far as one question reaches; null while `knownHead` is still the head,
   * for then no block of the chain is another.
   */
  jobChangesFrom(block: bigint, knownHead: Hex | null): Promise<JobChanges | null>;
  /** Null when the transaction committed no batch at the UsageReceipts contract. */
  batchOf(transactionHash: Hex): Promise<CommittedBatch | null>;
};
