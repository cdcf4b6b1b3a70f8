import { ConfigError, fetchJson, type Logger } from "@tac/kit";
import { type Address, Deployment } from "@tac/protocol";
import { type FetchJson, followRevocations, type Revocations } from "@tac/verifier";
import type { Dispatcher } from "undici";
import { z } from "zod";
import type { Config } from "./config.ts";

const longestMs = 4_000;

export type GatewayList = Revocations & {
  /** Of the one gateway that is followed, when none is named. */
  assertFresh: (gateway?: Address) => void;
  close: () => Promise<void>;
};

/** Follows the gateway's signed list of revocations, when one is configured. */
export const followGateways = (
  { REVOCATIONS_URL: url, GATEWAYS: gateways }: Pick<Config, "REVOCATIONS_URL" | "GATEWAYS">,
  deployment: Deployment.Deployment,
  { logger, dispatcher }: { logger: Logger; dispatcher: Dispatcher },
): GatewayList | undefined => {
  if (url === undefined) return undefined;
  const [address, ...others] = gateways ?? [];
  if (address === undefined || others.length > 0) {
    throw new ConfigError([
      { variable: "GATEWAYS", problem: "must name the one gateway that REVOCATIONS_URL is of" },
    ]);
  }
  const fetchList: FetchJson = (listUrl) =>
    fetchJson(listUrl, { schema: z.unknown(), timeoutMs: longestMs, dispatcher });
  const followed = followRevocations({
    gateways: [{ address, url }],
    domain: Deployment.domains(deployment).usageReceipts,
    fetchJson: fetchList,
    onError: (error) => logger.warn({ err: error }, "the gateway's list of revocations could not be read"),
  });
  return {
    isRevoked: followed.isRevoked,
    assertFresh: (gateway = address) => followed.assertFresh(gateway),
    close: () => followed.close(),
  };
};
