import { readFile } from "node:fs/promises";
import { ConfigError, fetchJson, type Logger } from "@tac/kit";
import { type Address, Deployment } from "@tac/protocol";
import { type FetchJson, followRevocations, type Revocations } from "@tac/verifier";
import { Agent } from "undici";
import { z } from "zod";
import type { Config } from "./config.ts";

const longestMs = 4_000;

export type GatewayList = Revocations & {
  /** Of the one gateway that is followed, when none is named. */
  assertFresh: (gateway?: Address) => void;
  close: () => Promise<void>;
};

/** Follows the gateway's signed list of revocations, when one is configured. */
export const followGateways = async (
  config: Pick<Config, "REVOCATIONS_URL" | "GATEWAYS" | "GATEWAY_CA_FILE">,
  deployment: Deployment.Deployment,
  logger: Logger,
): Promise<GatewayList | undefined> => {
  const { REVOCATIONS_URL: url, GATEWAYS: gateways, GATEWAY_CA_FILE: caFile } = config;
  if (url === undefined) return undefined;
  const [address, ...others] = gateways ?? [];
  if (address === undefined || others.length > 0) {
    throw new ConfigError([
      { variable: "GATEWAYS", problem: "must name the one gateway that REVOCATIONS_URL is of" },
    ]);
  }
  const agent = new Agent({
    connect: { ...(caFile === undefined ? {} : { ca: await readFile(caFile, "utf8") }) },
  });
  const fetchList: FetchJson = (listUrl) =>
    fetchJson(listUrl, { schema: z.unknown(), timeoutMs: longestMs, dispatcher: agent });
  const followed = followRevocations({
    gateways: [{ address, url }],
    domain: Deployment.domains(deployment).usageReceipts,
    fetchJson: fetchList,
    onError: (error) => logger.warn({ err: error }, "the gateway's list of revocations could not be read"),
  });
  return {
    isRevoked: followed.isRevoked,
    assertFresh: (gateway = address) => followed.assertFresh(gateway),
    close: async () => {
      await followed.close();
      await agent.close();
    },
  };
};
