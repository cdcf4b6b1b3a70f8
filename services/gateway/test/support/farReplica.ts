import { type Broadcast, createBroadcast } from "@tac/kit";
import type { Harness } from "./harness.ts";
import { gatewayAddress } from "./identities.ts";

export type FarReplica = {
  /** Where it listens. */
  connectUrl: string;
  /** From now on it hears nothing on its channel, or everything again. */
  setCut: (isCut: boolean) => void;
  stop: () => Promise<void>;
};

/** Starts a second replica with a channel of its own, which can be cut. */
export async function startFarReplica(harness: Harness): Promise<FarReplica> {
  let isCut = false;
  const channel = createBroadcast({
    databaseUrl: harness.databaseUrl,
    namespace: gatewayAddress,
    onError: () => undefined,
  });
  const cuttable: Broadcast = {
    ...channel,
    subscribe: (topic, listener) =>
      channel.subscribe(topic, (payload) => {
        if (!isCut) listener(payload);
      }),
  };
  const { replica, connectUrl } = await harness.startReplica("replica-2", harness.pool, undefined, cuttable);
  return {
    connectUrl,
    setCut: (next) => {
      isCut = next;
    },
    stop: async () => {
      await replica.app.close();
      await replica.stop();
      await channel.close();
    },
  };
}
