import { type Context, describe } from "./Context.ts";

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
const AT_ONCE = 20;

/** Tells gateways which receipts a committed batch settled; again and again until each has confirmed. */
export class Deliverer {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Delivers what is due. A gateway that fails delays only what is for itself. */
  async step(): Promise<void> {
    const { deliveries, gateways, set, nowMs, logger } = this.#context;
    for (const delivery of await deliveries.due(nowMs(), AT_ONCE)) {
      const gateway = gateways.find(({ address }) => address === delivery.gateway);
      try {
        if (gateway === undefined) throw new Error("the gateway is not configured here");
        await gateway.deliver(set.laneId, delivery);
        await deliveries.delivered(delivery, nowMs());
      } catch (error) {
        const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(delivery.attempts, 10));
        await deliveries.failed(delivery, describe(error), nowMs() + BigInt(wait));
        logger.warn(
          { err: error, gateway: delivery.gateway, batchNumber: delivery.batchNumber },
          "not delivered",
        );
      }
    }
  }
}
