import { ConfigError } from "@tac/kit";
import type { GatewayEntry } from "../feed/GatewayPort.ts";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";

/** Refuses a peer or a gateway without https. @throws ConfigError */
export const assertSafeUrls = (set: AggregatorSet, gateways: readonly GatewayEntry[]): void => {
  const isPlain = ({ url }: { url: string }): boolean => !url.startsWith("https:");
  const problem = (urls: readonly { url: string }[]): string =>
    `not https: ${urls.map(({ url }) => url).join(", ")}; UNSAFE_PLAIN_HTTP=1 allows it`;
  const peers = set.replicas.filter(isPlain);
  const feeds = gateways.filter(isPlain);
  const problems = [
    ...(peers.length > 0 ? [{ variable: "AGGREGATORS_FILE", problem: problem(peers) }] : []),
    ...(feeds.length > 0 ? [{ variable: "GATEWAYS_FILE", problem: problem(feeds) }] : []),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
};
