import { ProtocolError } from "@tac/protocol";
import {
  BaseError,
  ContractFunctionRevertedError,
  type Hex,
  parseAbi,
  parseEventLogs,
  type TransactionReceipt,
} from "viem";
import { getChainId, simulateContract, waitForTransactionReceipt, writeContract } from "viem/actions";
import type { ClientCore } from "../ClientCore.ts";
import type { Job } from "../job/Job.ts";
import type { Wallet } from "../tenant/TenantSigner.ts";

/** `transactionHash` is null, and the amount 0, when the lock was closed before: by its settlement or a release. */
export type ReleasedJob = { jobId: Hex; releasedNano: bigint; transactionHash: Hex | null };

export type ReleaseOptions = {
  /** Sends the transaction and pays its gas; the credit goes to the job's tenant all the same. The tenant's unless given. */
  wallet?: Wallet;
  /** How long to wait for the transaction's block; two minutes unless given. */
  timeoutMs?: number;
};

/** The grace of the lock is not over; `releasableAtMs` says when it is, in Unix milliseconds by the chain's clock. */
export class LockNotReleasableError extends ProtocolError {
  readonly releasableAtMs: bigint;

  constructor(releasableAtMs: bigint, cause: unknown) {
    super("not_yet_releasable", {
      detail: `The lock may be released from ${new Date(Number(releasableAtMs)).toISOString()} on.`,
      cause,
    });
    this.releasableAtMs = releasableAtMs;
  }
}

const DEFAULT_TIMEOUT_MS = 120_000;

const vaultAbi = parseAbi([
  "function release(bytes32 jobId) returns (uint64 releasedNano)",
  "event Released(bytes32 indexed jobId, address indexed tenant, uint64 releasedNano)",
  "error CreditVault_UnknownJob(bytes32 jobId)",
  "error CreditVault_LockClosed(bytes32 jobId)",
  "error CreditVault_NotYetReleasable(bytes32 jobId, uint256 releasableAt)",
]);

/**
 * Gives what is left in a job's lock back to its tenant, by the chain alone. Releasing twice is harmless. Throws
 * {@link LockNotReleasableError} before the grace is over, `job_not_locked` when the chain knows no such lock,
 * `invalid_request` without a wallet of the deployment's chain, and `chain_unavailable`.
 */
export async function release(
  core: ClientCore,
  { jobId }: Pick<Job, "jobId">,
  { wallet = core.wallet, timeoutMs = DEFAULT_TIMEOUT_MS }: ReleaseOptions = {},
): Promise<ReleasedJob> {
  if (wallet === undefined) {
    throw new ProtocolError("invalid_request", {
      detail: "A release is a transaction: give a viem wallet client that sends it.",
      param: "wallet",
    });
  }
  await assertChain(wallet, core.domains.capability.chainId);
  const call = {
    address: core.creditVault,
    abi: vaultAbi,
    functionName: "release",
    args: [jobId],
    account: wallet.account,
  } as const;
  let receipt: TransactionReceipt;
  try {
    await simulateContract(wallet, call);
    const hash = await writeContract(wallet, { ...call, chain: null });
    receipt = await waitForTransactionReceipt(wallet, { hash, timeout: timeoutMs });
    // Somebody else may have been quicker, which the chain then says.
    if (receipt.status === "reverted") await simulateContract(wallet, call);
  } catch (error) {
    return whatItMeans(error, jobId);
  }
  const [event] = parseEventLogs({ abi: vaultAbi, eventName: "Released", logs: receipt.logs });
  if (event === undefined) {
    throw new ProtocolError("chain_unavailable", {
      detail: `The transaction ${receipt.transactionHash} failed.`,
    });
  }
  return { jobId, releasedNano: event.args.releasedNano, transactionHash: receipt.transactionHash };
}

/** A wallet of another chain would find another contract, or none, at the vault's address. */
async function assertChain(wallet: Wallet, chainId: number): Promise<void> {
  const actual = await getChainId(wallet).catch((cause: unknown) => {
    throw new ProtocolError("chain_unavailable", { cause });
  });
  if (actual === chainId) return;
  throw new ProtocolError("invalid_request", {
    detail: `The wallet is of chain ${actual}, the deployment of chain ${chainId}.`,
    param: "wallet",
  });
}

function whatItMeans(error: unknown, jobId: Hex): ReleasedJob {
  const revert =
    error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
  const reason = revert instanceof ContractFunctionRevertedError ? revert.data : undefined;
  if (reason?.errorName === "CreditVault_LockClosed")
    return { jobId, releasedNano: 0n, transactionHash: null };
  if (reason?.errorName === "CreditVault_UnknownJob") {
    throw new ProtocolError("job_not_locked", {
      detail: "The chain knows no lock of this job.",
      cause: error,
    });
  }
  const releasableAt = reason?.errorName === "CreditVault_NotYetReleasable" ? reason.args?.[1] : undefined;
  if (typeof releasableAt === "bigint") throw new LockNotReleasableError(releasableAt * 1000n, error);
  throw new ProtocolError("chain_unavailable", {
    detail: "The release did not reach the chain.",
    cause: error,
  });
}
