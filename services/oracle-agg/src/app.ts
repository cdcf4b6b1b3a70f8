import { type App, createApp, type Logger, type Metrics } from "@tac/kit";
import type { Ceremony } from "./dkg/Ceremony.ts";
import { addDkgRoutes } from "./dkg/routes.ts";
import { addPeerRoutes } from "./http/peerRoutes.ts";
import { addPublicRoutes } from "./http/publicRoutes.ts";
import type { AggregatorSet } from "./keys/AggregatorSet.ts";
import type { KeyShare } from "./keys/KeyShare.ts";
import { type Runtime, Waiting } from "./Runtime.ts";
import { holdsLaneKey } from "./replica/Context.ts";

export type AppDependencies = {
  set: AggregatorSet;
  replica: number;
  ceremony: Ceremony;
  runtime: Runtime;
  readKey: () => KeyShare | null;
  logger: Logger;
  metrics: Metrics;
};

/** The replica's HTTP interface. It serves the key ceremony before there is a key, a deployment or a store. */
export const buildApp = ({
  set,
  replica,
  ceremony,
  runtime,
  readKey,
  logger,
  metrics,
}: AppDependencies): App => {
  const app = createApp({
    service: "oracle-agg",
    logger,
    metrics,
    problemEverywhere: true,
    checks: {
      replica: async () => runtime.replica(),
      lane: async () => {
        const { context, follower } = runtime.replica();
        const lane = await context.chain.laneOf(context.set.laneId, await follower.follow());
        if (!holdsLaneKey(context, lane)) throw new Waiting("WaitingForLaneKey");
      },
    },
  });
  addDkgRoutes(app, ceremony);
  addPeerRoutes(app, set, runtime);
  addPublicRoutes(app, { runtime, set, replica, readKey });
  return app;
};
