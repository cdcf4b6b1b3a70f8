import { Builder } from "./replica/Builder.ts";
import { ChainFollower } from "./replica/ChainFollower.ts";
import { Committer } from "./replica/Committer.ts";
import type { Context } from "./replica/Context.ts";
import { Deliverer } from "./replica/Deliverer.ts";
import { Leader } from "./replica/Leader.ts";
import { type Loop, startLoop } from "./replica/loop.ts";
import { Signer } from "./replica/Signer.ts";

export type Replica = {
  context: Context;
  signer: Signer;
  follower: ChainFollower;
  /** Ends every loop after the step it is at. */
  stop(): Promise<void>;
};

/** How often each loop looks when it has nothing to do, in milliseconds. */
export type Cadence = { chainMs: number; feedMs: number; leaderMs: number; deliveryMs: number };

export const DEFAULT_CADENCE: Cadence = { chainMs: 400, feedMs: 200, leaderMs: 150, deliveryMs: 500 };

/**
 * Runs one replica: follows the chain, pulls the feeds, applies committed batches, proposes when it leads, and tells
 * gateways. The loops share nothing but the store, and a failure in one leaves the others running.
 */
export const startReplica = async (
  context: Context,
  cadence: Cadence = DEFAULT_CADENCE,
): Promise<Replica> => {
  const { logger, metrics, pullers, feeds, deliveries, gateways } = context;
  for (const { address } of gateways) await feeds.ensureFeed(address);
  const builder = new Builder(context);
  const follower = new ChainFollower(context);
  const committer = new Committer(context, builder);
  const signer = new Signer(context, follower, committer, builder);
  const leader = new Leader(context, { follower, committer, builder, signer });
  const deliverer = new Deliverer(context);

  const loop = (name: string, idleMs: number, step: () => Promise<boolean>): Loop => {
    const onError = (error: unknown): void => {
      metrics.loopErrors.inc({ loop: name });
      logger.warn({ err: error, loop: name }, "step failed and is tried again");
    };
    return startLoop({ idleMs, onError }, step);
  };

  const loops = [
    loop("chain", cadence.chainMs, async () => {
      await follower.follow();
      await committer.commitAll();
      return false;
    }),
    loop("leader", cadence.leaderMs, async () => {
      await leader.step();
      return false;
    }),
    loop("delivery", cadence.deliveryMs, async () => {
      await deliverer.step();
      metrics.queueDepth.set({ queue: "deliveries" }, await deliveries.pendingCount());
      return false;
    }),
    ...pullers.map((puller) =>
      loop(`feed ${puller.address}`, cadence.feedMs, async () => {
        const hasMore = await puller.pull();
        await observeFeeds(context);
        return hasMore;
      }),
    ),
  ];
  return {
    context,
    signer,
    follower,
    stop: async () => {
      await Promise.all(loops.map((running) => running.stop()));
    },
  };
};

const observeFeeds = async ({ feeds, metrics, nowMs }: Context): Promise<void> => {
  for (const { pulled, headSeq, stoppedReason } of await feeds.feeds()) {
    metrics.feedLag.set({ gateway: pulled.gateway }, Number(headSeq - pulled.seq));
    metrics.feedStopped.set({ gateway: pulled.gateway }, stoppedReason === null ? 0 : 1);
  }
  const oldest = await feeds.oldestPendingMs();
  metrics.receiptLagMs.set(oldest === null ? 0 : Math.max(0, Number(nowMs() - oldest)));
  metrics.queueDepth.set({ queue: "events" }, await feeds.pendingCount());
};
