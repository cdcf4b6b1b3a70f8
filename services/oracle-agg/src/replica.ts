import { type Loop, startLoop } from "@tac/kit";
import type { Rules } from "./protocol/State.ts";
import { Builder } from "./replica/Builder.ts";
import { ChainFollower } from "./replica/ChainFollower.ts";
import { Checker } from "./replica/Checker.ts";
import { Committer } from "./replica/Committer.ts";
import type { Context } from "./replica/Context.ts";
import { Deliverer } from "./replica/Deliverer.ts";
import { Driver } from "./replica/Driver.ts";
import { Submitter } from "./replica/Submitter.ts";

export type Replica = {
  context: Context;
  driver: Driver;
  follower: ChainFollower;
  /** Ends every loop after the step it is at. */
  stop(): Promise<void>;
};

/** How often each loop looks when it has nothing to do, in milliseconds. */
export type Cadence = { chainMs: number; feedMs: number; deliveryMs: number };

export const DEFAULT_CADENCE: Cadence = { chainMs: 400, feedMs: 200, deliveryMs: 500 };

/**
 * Runs one replica: follows the chain, pulls the feeds, applies committed batches, decides on the next with its peers, and
 * tells gateways. The loops share nothing but the store, and a failure in one leaves the others running.
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
  const checker = new Checker(context, follower, committer, builder);
  const submitter = new Submitter(context, checker);
  const driver = new Driver(context, rulesOf(context), { follower, committer, builder, checker, submitter });
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
      await driver.look();
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
        await driver.tellWork();
        return hasMore;
      }),
    ),
  ];
  return {
    context,
    driver,
    follower,
    stop: async () => {
      driver.stop();
      await Promise.all(loops.map((running) => running.stop()));
    },
  };
};

/** A message that nobody answered is repeated after this time. */
const RESEND_MS = 500n;
/** Two blocks of Base and a little: a transaction that waits longer offers too little. */
const RESUBMIT_MS = 6_000n;

const rulesOf = ({ replica, set, windowMs, leaderTimeoutMs, crypto }: Context): Rules => ({
  replica,
  replicaCount: set.replicas.length,
  threshold: set.threshold,
  windowMs,
  leaderTimeoutMs,
  resendMs: RESEND_MS,
  resubmitMs: RESUBMIT_MS,
  crypto,
});

const observeFeeds = async ({ feeds, metrics, nowMs }: Context): Promise<void> => {
  for (const { pulled, headSeq, stoppedReason } of await feeds.feeds()) {
    metrics.feedLag.set({ gateway: pulled.gateway }, Number(headSeq - pulled.seq));
    metrics.feedStopped.set({ gateway: pulled.gateway }, stoppedReason === null ? 0 : 1);
  }
  const oldest = await feeds.oldestPendingMs();
  metrics.receiptLagMs.set(oldest === null ? 0 : Math.max(0, Number(nowMs() - oldest)));
  metrics.queueDepth.set({ queue: "events" }, await feeds.pendingCount());
};
