import { capabilityAuthorityAbi } from "@tac/contracts/abi";
import { type Chain, type FollowedLogs, followLogs, type Logger } from "@tac/kit";
import { type Address, type Deployment, ProtocolError } from "@tac/protocol";
import type { Revocations } from "@tac/verifier";

export type AuthorityWatch = Revocations & {
  isGateway: (address: Address) => boolean;
  /** @throws ProtocolError `chain_unavailable` while the list is older than it may be. */
  assertFresh: () => void;
  close: () => Promise<void>;
};

const maxAgeMs = 5_000;

/**
 * Keeps enrolled gateways and revocations in memory, followed from the chain's events.
 * A gateway must be among `allowed`, when that is given, and not removed on chain.
 */
export const watchAuthority = ({
  chain,
  deployment,
  allowed,
  logger,
  pollMs = 500,
}: {
  chain: Chain;
  deployment: Deployment.Deployment;
  allowed: readonly Address[] | undefined;
  logger: Logger;
  pollMs?: number;
}): AuthorityWatch => {
  const gateways = new Set<string>();
  const revokedJobs = new Set<string>();
  const revokedTenants = new Map<string, number>();
  let cursor: bigint | undefined;

  const apply = (log: FollowedLogs<typeof capabilityAuthorityAbi>[number]): void => {
    if (log.eventName === "GatewayEnrolled") gateways.add(log.args.gateway.toLowerCase());
    if (log.eventName === "GatewayRemoved") gateways.delete(log.args.gateway.toLowerCase());
    if (log.eventName === "CapabilityRevoked") revokedJobs.add(log.args.jobId.toLowerCase());
    if (log.eventName === "AllCapabilitiesRevoked")
      revokedTenants.set(log.args.tenant.toLowerCase(), log.args.revokedAt);
  };

  const follower = followLogs({
    client: chain,
    address: deployment.capabilityAuthority,
    abi: capabilityAuthorityAbi,
    fromBlock: deployment.startBlock,
    pollMs,
    onLogs: async (logs) => logs.forEach(apply),
    loadCursor: async () => cursor,
    saveCursor: async (block) => {
      cursor = block;
    },
    onError: (error) => logger.warn({ err: error }, "the revocation list could not be refreshed"),
  });

  return {
    isGateway: (address) => gateways.has(address) && (allowed === undefined || allowed.includes(address)),
    // A token issued before its tenant revoked everything is void; a gateway issues none afterwards for an old capability.
    isRevoked: (jobId, { tenant, issuedAt }) =>
      revokedJobs.has(jobId) || issuedAt <= (revokedTenants.get(tenant) ?? -1),
    assertFresh: () => {
      if (Date.now() - follower.caughtUpAtMs() <= maxAgeMs) return;
      throw new ProtocolError("chain_unavailable", {
        detail: "The revocation list is too old to serve calls.",
      });
    },
    close: follower.stop,
  };
};
