import { type App, createApp, type Logger, type Metrics, type TlsSource } from "@tac/kit";
import type { Ceremony } from "./dkg/Ceremony.ts";
import { addDkgRoutes } from "./dkg/routes.ts";
import { addPeerRoutes } from "./http/peerRoutes.ts";
import { addPublicRoutes } from "./http/publicRoutes.ts";
import type { KeyRing } from "./keys/KeyRing.ts";
import type { SetBook } from "./keys/SetBook.ts";
import { type Runtime, Waiting } from "./Runtime.ts";
import { holdsLaneKey } from "./replica/Context.ts";

export type AppDependencies = {
  book: SetBook;
  replica: number;
  ceremony: Ceremony;
  runtime: Runtime;
  ring: KeyRing;
  logger: Logger;
  metrics: Metrics;
  /** Null: plain HTTP, where peers are known by their signatures alone. */
  tls?: TlsSource | null;
};

/** The replica's HTTP interface. It serves the key ceremony before there is a key, a deployment or a store. */
export const buildApp = ({
  book,
  replica,
  ceremony,
  runtime,
  ring,
  logger,
  metrics,
  tls = null,
}: AppDependencies): App => {
  const app = createApp({
    service: "oracle-agg",
    logger,
    metrics,
    problemEverywhere: true,
    // Anyone may read what is settled, so a certificate is asked for and the routes of peers insist on it.
    tls: tls === null ? undefined : { source: tls, clients: "request" },
    checks: {
      replica: async () => runtime.replica(),
      lane: async () => {
        const { context, follower } = runtime.replica();
        const lane = await context.chain.laneOf(context.set.laneId, await follower.follow());
        if (!holdsLaneKey(context, lane)) throw new Waiting("WaitingForLaneKey");
      },
    },
  });
  addDkgRoutes(app, ceremony, { book, demandsCertificate: tls !== null });
  addPeerRoutes(app, runtime, book, { demandsCertificate: tls !== null });
  addPublicRoutes(app, { runtime, book, replica, ring });
  return app;
};
