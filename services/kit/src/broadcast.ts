import {
  type ConnectionOptions,
  createPostgresRelayBackend,
  createRedisRelayBackend,
  Relay,
  type RelayOptions,
} from "bullmq";

/** Messages from any process to all that listen. A message may be lost with the connection; none comes back later. */
export type Broadcast = {
  backend: "postgres" | "redis";
  /** Resolves when no later message can be missed while the connection lasts. `topic`: letters, digits, `_`, `-`. */
  subscribe: (topic: string, listener: (payload: unknown) => void) => Promise<void>;
  /** Resolves when the message was handed over. `payload` is JSON. */
  publish: (topic: string, payload: unknown) => Promise<void>;
  close: () => Promise<void>;
};

// A node whose lease lapsed is registered again at its next heartbeat, so the channel is back within two seconds.
const leaseMs = 6_000;

/**
 * BullMQ's relay on PostgreSQL (LISTEN and NOTIFY, its tables in the schema `bullmq`), or on Redis when `redisUrl` is
 * given. It connects again by itself; whoever must not miss a message sends heartbeats to itself and reads the truth
 * again when they stay away.
 */
export const createBroadcast = ({
  databaseUrl,
  redisUrl,
  namespace,
  onError,
}: {
  databaseUrl: string;
  redisUrl?: string | undefined;
  /** Keeps apart what shares a datastore: 1 to 64 letters, digits, `_`, `-`. */
  namespace: string;
  onError: (error: Error) => void;
}): Broadcast =>
  redisUrl === undefined
    ? build(
        "postgres",
        {
          backend: createPostgresRelayBackend,
          connection: { connectionString: databaseUrl, schema: "bullmq", migrate: true, max: 4 },
          namespace,
          leaseDuration: leaseMs,
        },
        onError,
      )
    : build<ConnectionOptions>(
        "redis",
        {
          backend: createRedisRelayBackend,
          connection: { url: redisUrl, maxRetriesPerRequest: null },
          namespace,
          leaseDuration: leaseMs,
        },
        onError,
      );

const build = <Connection>(
  backend: Broadcast["backend"],
  options: RelayOptions<Connection>,
  onError: (error: Error) => void,
): Broadcast => {
  const relay = new Relay<Connection>(options);
  relay.on("error", onError);
  return {
    backend,
    subscribe: async (topic, listener) => {
      await relay.subscribe(topic, ({ data }) => listener(data));
    },
    publish: async (topic, payload) => {
      await relay.publish(topic, payload);
    },
    close: () => relay.close(),
  };
};
