import {
  capabilityAuthorityAbi,
  creditVaultAbi,
  paramGovernorAbi,
  providerRegistryAbi,
  settlementTreasuryAbi,
  usageReceiptsAbi,
} from "@tac/contracts/abi";
import { type Chain, ChainRevert, decodeChainError, type Sender } from "@tac/kit";
import type { BatchHeader, Capability, Deployment } from "@tac/protocol";
import {
  type Abi,
  getAbiItem,
  type Hex,
  parseAbi,
  parseEventLogs,
  stringToHex,
  TransactionReceiptNotFoundError,
} from "viem";
import type {
  ChainLock,
  ChainPort,
  CommittedBatch,
  JobChanges,
  LockRelease,
  Revocation,
} from "./ChainPort.ts";
import { toCapabilityError } from "./toCapabilityError.ts";

const LOCK_STATES = ["none", "open", "closed"] as const;
const ACTIVE = 2;
const MAX_BLOCK_RANGE = 2000n;
const GRACE_SECONDS = stringToHex("graceSeconds", { size: 32 });
const ERC1271_MAGIC = "0x1626ba7e";
const erc1271Abi = parseAbi([
  "function isValidSignature(bytes32 digest, bytes signature) view returns (bytes4)",
]);
const jobEvents = [
  getAbiItem({ abi: capabilityAuthorityAbi, name: "CapabilityRevoked" }),
  getAbiItem({ abi: capabilityAuthorityAbi, name: "AllCapabilitiesRevoked" }),
  getAbiItem({ abi: creditVaultAbi, name: "Released" }),
] as const;
const errorAbi: Abi = [...creditVaultAbi, ...capabilityAuthorityAbi];

/** The chain as the gateway needs it, through viem. */
export function createViemChain(chain: Chain, sender: Sender, deployment: Deployment.Deployment): ChainPort {
  const { creditVault, capabilityAuthority, providerRegistry, usageReceipts, settlementTreasury } =
    deployment;
  const governor = { address: deployment.paramGovernor, abi: paramGovernorAbi } as const;
  const vault = { address: creditVault, abi: creditVaultAbi } as const;
  const authority = { address: capabilityAuthority, abi: capabilityAuthorityAbi } as const;
  const registry = { address: providerRegistry, abi: providerRegistryAbi } as const;

  return {
    lockOf: (jobId) =>
      reading(async (): Promise<ChainLock> => {
        const lock = await chain.readContract({ ...vault, functionName: "lockOf", args: [jobId] });
        return { state: LOCK_STATES[lock.state] ?? "none", remainingNano: lock.remainingNano };
      }),

    lockEvent: (jobId) =>
      reading(async () => {
        // From the end backwards, because nodes answer for a bounded range only and a lock is usually recent.
        for (
          let last = await chain.getBlockNumber();
          last >= deployment.startBlock;
          last -= MAX_BLOCK_RANGE
        ) {
          const first = last - MAX_BLOCK_RANGE + 1n;
          const [event] = await chain.getContractEvents({
            ...vault,
            eventName: "Locked",
            args: { jobId },
            fromBlock: first > deployment.startBlock ? first : deployment.startBlock,
            toBlock: last,
            strict: true,
          });
          if (event === undefined) continue;
          const { transactionHash, blockNumber } = event;
          return { capabilityHash: event.args.capabilityHash, transactionHash, blockNumber };
        }
        return null;
      }),

    freeCreditOf: (tenant) =>
      reading(() => chain.readContract({ ...vault, functionName: "balanceOf", args: [tenant] })),

    verifyCapability: async (capability, signature) => {
      try {
        await chain.readContract({ ...authority, functionName: "verify", args: [capability, signature] });
      } catch (error) {
        throw toCapabilityError(decodeChainError(error, errorAbi));
      }
    },

    submitLock: async (capability: Capability.Capability, signature: Hex) => {
      try {
        const receipt = await sender.send({ ...vault, functionName: "lock", args: [capability, signature] });
        return { transactionHash: receipt.transactionHash, blockNumber: receipt.blockNumber };
      } catch (error) {
        if (error instanceof ChainRevert && error.errorName === "CreditVault_JobAlreadyLocked") return null;
        throw toCapabilityError(error);
      }
    },

    lockRelease: (jobId) =>
      reading(async (): Promise<LockRelease> => {
        const { number: blockNumber, timestamp } = await chain.getBlock();
        const [lock, graceSeconds] = await Promise.all([
          chain.readContract({ ...vault, functionName: "lockOf", args: [jobId], blockNumber }),
          chain.readContract({ ...governor, functionName: "param", args: [GRACE_SECONDS], blockNumber }),
        ]);
        const { expiresAt, revokedAt } = lock;
        const endsAt = revokedAt !== 0 && revokedAt < expiresAt ? revokedAt : expiresAt;
        return {
          state: LOCK_STATES[lock.state] ?? "none",
          paidNano: lock.maxSpendNano - lock.remainingNano,
          releasableAtSeconds: endsAt + Number(graceSeconds),
          nowSeconds: Number(timestamp),
        };
      }),

    submitRelease: async (jobId) => {
      try {
        const receipt = await sender.send({ ...vault, functionName: "release", args: [jobId] });
        const [event] = parseEventLogs({ abi: creditVaultAbi, eventName: "Released", logs: receipt.logs });
        if (event === undefined) throw new Error(`${receipt.transactionHash} released nothing`);
        return { transactionHash: receipt.transactionHash, releasedNano: event.args.releasedNano };
      } catch (error) {
        if (error instanceof ChainRevert && error.errorName === "CreditVault_LockClosed") return null;
        throw error;
      }
    },

    isSignedByAccount: (account, digest, signature) =>
      reading(async () => {
        const code = await chain.getCode({ address: account });
        if (code === undefined || code === "0x") return false;
        try {
          const args = [digest, signature] as const;
          const answer = await chain.readContract({
            address: account,
            abi: erc1271Abi,
            functionName: "isValidSignature",
            args,
          });
          return answer === ERC1271_MAGIC;
        } catch (error) {
          // A contract says no by reverting as well as by answering otherwise; a chain that is away says nothing.
          if (decodeChainError(error, errorAbi) instanceof ChainRevert) return false;
          throw error;
        }
      }),

    submitRevocation: async ({ tenant, salt, deadline }, signature) => {
      try {
        const args = [tenant, salt, deadline, signature] as const;
        const receipt = await sender.send({ ...authority, functionName: "revokeWithSignature", args });
        return receipt.transactionHash;
      } catch (error) {
        if (error instanceof ChainRevert && error.errorName === "CapabilityAuthority_AlreadyRevoked")
          return null;
        throw toCapabilityError(error);
      }
    },

    applyRevocations: async (jobIds) => {
      const receipt = await sender.send({ ...vault, functionName: "applyRevocation", args: [jobIds] });
      return receipt.transactionHash;
    },

    revokedAt: (tenant, jobId, validAfter) =>
      reading(() =>
        chain.readContract({ ...authority, functionName: "revokedAt", args: [tenant, jobId, validAfter] }),
      ),

    tariffHashOf: (providerId, version) =>
      reading(() =>
        chain.readContract({ ...registry, functionName: "tariffHashOf", args: [providerId, version] }),
      ),

    signingKeyOf: (providerId) =>
      reading(async () => {
        const provider = await chain.readContract({
          ...registry,
          functionName: "providerOf",
          args: [providerId],
        });
        return provider.status === ACTIVE ? lower(provider.signingKey) : null;
      }),

    isGateway: (address) =>
      reading(() => chain.readContract({ ...authority, functionName: "isGateway", args: [address] })),

    jobChangesFrom: (block, knownHead) =>
      reading(async (): Promise<JobChanges | null> => {
        const { number: headBlock, hash: headHash } = await chain.getBlock();
        if (headHash === knownHead) return null;
        const head = { headBlock, headHash };
        if (block > headBlock) return { revocations: [], releasedJobIds: [], toBlock: headBlock, ...head };
        const widest = block + MAX_BLOCK_RANGE - 1n;
        const toBlock = widest < headBlock ? widest : headBlock;
        const logs = await chain.getLogs({
          address: [capabilityAuthority, creditVault],
          events: jobEvents,
          fromBlock: block,
          toBlock,
          strict: true,
        });
        const revocations: Revocation[] = [];
        const releasedJobIds: Hex[] = [];
        for (const { eventName, args } of logs) {
          if (eventName === "Released") releasedJobIds.push(args.jobId);
          else
            revocations.push({
              tenant: lower(args.tenant),
              jobId: eventName === "CapabilityRevoked" ? args.jobId : null,
              revokedAtSeconds: args.revokedAt,
            });
        }
        return { revocations, releasedJobIds, toBlock, ...head };
      }),

    batchOf: (transactionHash) =>
      reading(async (): Promise<CommittedBatch | null> => {
        const receipt = await chain
          .getTransactionReceipt({ hash: transactionHash })
          .catch((error: unknown) => {
            if (error instanceof TransactionReceiptNotFoundError) return null;
            throw error;
          });
        if (receipt?.status !== "success") return null;
        const logsOf = (address: Hex) => receipt.logs.filter((log) => lower(log.address) === lower(address));
        const [committed] = parseEventLogs({
          abi: usageReceiptsAbi,
          eventName: "BatchCommitted",
          logs: logsOf(usageReceipts),
        });
        if (committed === undefined) return null;
        const settled = parseEventLogs({
          abi: settlementTreasuryAbi,
          eventName: "LineSettled",
          logs: logsOf(settlementTreasury),
        });
        const { laneId, batchNumber, batchHash, header } = committed.args;
        return {
          laneId,
          batchNumber,
          batchHash,
          header: header satisfies BatchHeader.BatchHeader,
          blockNumber: receipt.blockNumber,
          jobIds: [...new Set(settled.map(({ args }) => args.jobId))],
        };
      }),
  };
}

async function reading<Value>(read: () => Promise<Value>): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    throw decodeChainError(error, errorAbi);
  }
}

function lower(address: Hex): Hex {
  return address.toLowerCase() as Hex;
}
