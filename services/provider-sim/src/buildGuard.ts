import { assertChainId, ConfigError, createChain, type Logger, loadJsonFile } from "@tac/kit";
import { Deployment } from "@tac/protocol";
import { createVerifier } from "@tac/verifier";
import type { Config } from "./config.ts";
import { createGuard, type Guard, openGuard } from "./guard.ts";
import { type AuthorityWatch, watchAuthority } from "./watchAuthority.ts";

const required = <Value>(variable: string, value: Value | undefined): Value => {
  if (value !== undefined) return value;
  throw new ConfigError([{ variable, problem: "missing; it is needed with DEPLOYMENT_FILE" }]);
};

/**
 * With a deployment: checks each call as a provider of the system does, with gateways and revocations from the chain,
 * or from `GATEWAYS` alone when there is no RPC endpoint. Without: an ordinary provider.
 */
export const buildGuard = async (
  config: Config,
  logger: Logger,
): Promise<{ guard: Guard; watch: AuthorityWatch | undefined }> => {
  if (config.DEPLOYMENT_FILE === undefined) return { guard: openGuard, watch: undefined };
  const deployment = await loadJsonFile(config.DEPLOYMENT_FILE, Deployment.schema);
  const providerId = required("PROVIDER_ID", config.PROVIDER_ID);
  const signingKey = required("SIGNING_KEY", config.SIGNING_KEY);
  let watch: AuthorityWatch | undefined;
  if (config.RPC_URLS === undefined) {
    required("GATEWAYS or RPC_URLS", config.GATEWAYS);
  } else {
    const chain = createChain({ rpcUrls: config.RPC_URLS, chainId: deployment.chainId });
    await assertChainId(chain);
    watch = watchAuthority({ chain, deployment, allowed: config.GATEWAYS, logger });
  }
  const verifier = createVerifier({
    domain: Deployment.domains(deployment).usageReceipts,
    providerId,
    isGateway: watch?.isGateway ?? ((address) => config.GATEWAYS?.includes(address) === true),
    isRevoked: watch?.isRevoked ?? (() => false),
    ...(config.GATEWAY_PUBLIC_URL === undefined ? {} : { publicUrl: config.GATEWAY_PUBLIC_URL }),
  });
  return {
    guard: createGuard({ verifier, watch, providerId, signingKey, reports: config.REPORTS_USAGE !== "none" }),
    watch,
  };
};
