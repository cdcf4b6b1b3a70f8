import type { Logger } from "@tac/kit";
import type { KeyEpochs } from "../replica/Context.ts";
import type { KeyRing } from "./KeyRing.ts";
import type { KeyShare } from "./KeyShare.ts";

/**
 * Keeps a running replica on the key the chain uses: it starts again with the next one when the lane's epoch says so, and
 * shares of earlier epochs are destroyed once the holders of the next key have signed a batch that the chain took.
 * @param used the share the replica runs with.
 */
export const createKeyEpochs = ({
  ring,
  used,
  renew,
  logger,
}: {
  ring: KeyRing;
  used: KeyShare;
  renew: () => void;
  logger: Logger;
}): KeyEpochs => {
  const switchIfDue = (): void => {
    const current = ring.current();
    if (current === used) return;
    logger.info(
      { fromEpoch: used.keyEpoch, toEpoch: current?.keyEpoch ?? null },
      "the lane has another key, and the replica starts again",
    );
    renew();
  };
  return {
    publicOf: (keyEpoch) => ring.publicOf(keyEpoch),
    onLane: (lane) => {
      ring.observe(lane);
      switchIfDue();
    },
    onCommitted: (keyEpoch) => {
      const destroyed = ring.destroyBefore(keyEpoch);
      if (destroyed.length === 0) return;
      logger.warn({ keyEpochs: destroyed }, "key shares of past epochs are destroyed");
      switchIfDue();
    },
  };
};
