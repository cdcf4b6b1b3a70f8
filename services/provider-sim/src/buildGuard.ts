import { assertChainId, ConfigError, createChain, type Logger, loadJsonFile } from "@tac/kit";
import { Deployment } from "@tac/protocol";
import { combineRevocations, createVerifier } from "@tac/verifier";
import type { Dispatcher } from "undici";
import type { Config } from "./config.ts";
import { followGateways } from "./followGateways.ts";
import { createGuard, type Guard, openGuard } from "./guard.ts";
import { type AuthorityWatch, watchAuthority } from "./watchAuthority.ts";

const required = <Value>(variable: string, value: Value | undefined): Value => {
  if (value !== undefined) return value;
  throw new ConfigError([{ variable, problem: "missing; it is needed with DEPLOYMENT_FILE" }]);
};

/** What the guard knows of revocations; `assertFresh` throws while any source of it is too old. */
export type Watch = Pick<AuthorityWatch, "assertFresh" | "close">;

/**
 * With a deployment: checks each call as a provider of the system does, with gateways and revocations from the chain,
 * or of the one in `GATEWAYS` and its signed list; with both, either revokes. Without: an ordinary provider.
 */
export const buildGuard = async (
  config: Config,
  { logger, dispatcher }: { logger: Logger; dispatcher: Dispatcher },
  { demandsCertificate }: { demandsCertificate: boolean },
): Promise<{ guard: Guard; watch: Watch | undefined }> => {
  if (config.DEPLOYMENT_FILE === undefined) return { guard: openGuard, watch: undefined };
  const deployment = await loadJsonFile(config.DEPLOYMENT_FILE, Deployment.schema);
  const providerId = required("PROVIDER_ID", config.PROVIDER_ID);
  const signingKey = required("SIGNING_KEY", config.SIGNING_KEY);
  let chainWatch: AuthorityWatch | undefined;
  if (config.RPC_URLS === undefined) {
    required("GATEWAYS or RPC_URLS", config.GATEWAYS);
    required("RPC_URLS or REVOCATIONS_URL", config.REVOCATIONS_URL);
  } else {
    const chain = createChain({ rpcUrls: config.RPC_URLS, chainId: deployment.chainId });
    await assertChainId(chain);
    chainWatch = watchAuthority({ chain, deployment, allowed: config.GATEWAYS, logger });
  }
  const list = followGateways(config, deployment, { logger, dispatcher });
  const sources = [chainWatch, list].filter((source) => source !== undefined);
  const watch: Watch = {
    assertFresh: () => {
      for (const source of sources) source.assertFresh();
    },
    close: async () => {
      await Promise.all(sources.map((source) => source.close()));
    },
  };
  const verifier = createVerifier({
    domain: Deployment.domains(deployment).usageReceipts,
    providerId,
    isGateway: chainWatch?.isGateway ?? ((address) => config.GATEWAYS?.includes(address) === true),
    revocations: combineRevocations(...sources),
    ...(config.GATEWAY_PUBLIC_URL === undefined ? {} : { publicUrl: config.GATEWAY_PUBLIC_URL }),
  });
  return {
    guard: createGuard({
      verifier,
      watch,
      providerId,
      signingKey,
      reports: config.REPORTS_USAGE !== "none",
      demandsCertificate,
    }),
    watch,
  };
};
