import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aggregatorIds } from "../stack/layout.ts";
import type { Stack } from "../stack/Stack.ts";
import { Link, type LinkState, open } from "./Link.ts";

export type ReplicaId = (typeof aggregatorIds)[number];

/**
 * The network between the replicas, a link for each ordered pair, the first calling the second; and a link in front of the
 * RPC endpoint that all of them ask first. The second endpoint they know is the chain itself.
 */
export type Network = {
  /** Every link between replicas of different groups; the others are as they were. */
  partition: (groups: readonly (readonly ReplicaId[])[], state: LinkState) => void;
  /** Every link between replicas. */
  setAll: (state: LinkState) => void;
  setEndpoint: (state: LinkState) => void;
  heal: () => void;
  close: () => Promise<void>;
};

type Pair = { from: ReplicaId; to: ReplicaId; link: Link };

const openLinks = async (stack: Stack): Promise<Pair[]> => {
  const pairs = aggregatorIds.flatMap((from) =>
    aggregatorIds.filter((to) => to !== from).map((to) => ({ from, to })),
  );
  return Promise.all(
    pairs.map(async ({ from, to }) => ({
      from,
      to,
      link: await Link.listen(stack.layout.ports[`aggregator-${to}`]),
    })),
  );
};

/** Gives each replica a list of the set in which the others stand behind its own links, and starts it anew with that. */
const reroute = async (
  { layout, restart, command, chain }: Stack,
  pairs: readonly Pair[],
  endpoint: Link,
): Promise<void> => {
  await Promise.all(
    aggregatorIds.map(async (id) => {
      const name = `aggregator-${id}` as const;
      const set = JSON.parse(readFileSync(command(name).env.AGGREGATORS_FILE ?? "", "utf8"));
      for (const { from, to, link } of pairs)
        if (from === id) set.replicas[to - 1].url = `https://127.0.0.1:${link.port}`;
      const file = join(layout.configDir, `aggregators-of-${id}.json`);
      writeFileSync(file, JSON.stringify(set, null, 2), { mode: 0o600 });
      const RPC_URLS = `http://127.0.0.1:${endpoint.port},${chain.rpcUrl}`;
      await restart(name, { AGGREGATORS_FILE: file, RPC_URLS });
    }),
  );
};

export const openNetwork = async (stack: Stack): Promise<Network> => {
  const pairs = await openLinks(stack);
  const endpoint = await Link.listen(stack.layout.ports.chain);
  await reroute(stack, pairs, endpoint);
  const setAll = (state: LinkState): void => {
    for (const { link } of pairs) link.set(state);
  };
  return {
    partition: (groups, state) => {
      const groupOf = (id: ReplicaId): number => groups.findIndex((group) => group.includes(id));
      for (const { from, to, link } of pairs) if (groupOf(from) !== groupOf(to)) link.set(state);
    },
    setAll,
    setEndpoint: (state) => endpoint.set(state),
    heal: () => {
      setAll(open);
      endpoint.set(open);
    },
    close: async () => {
      await Promise.all([endpoint, ...pairs.map(({ link }) => link)].map((link) => link.close()));
    },
  };
};
