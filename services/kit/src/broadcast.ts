import { type ConnectionOptions, createRedisRelayBackend, Relay } from "bullmq";
import { createPostgresBroadcast } from "./postgresBroadcast.ts";
import { withDeadline } from "./withDeadline.ts";

/** Messages from any process to all that listen. A message may be lost with the connection; none comes back later. */
export type Broadcast = {
  backend: "postgres" | "redis";
  /** Resolves when no later message can be missed while the connection lasts. `topic`: letters, digits, `_`, `-`. */
  subscribe: (topic: string, listener: (payload: unknown) => void) => Promise<void>;
  /** Resolves when the message was handed over; rejects when the store is away or silent. `payload` is JSON. */
  publish: (topic: string, payload: unknown) => Promise<void>;
  /** Ends within seconds even when the store is away. */
  close: () => Promise<void>;
};

const deadlineMs = 2_000;
const reconnectMs = 500;

// A node whose lease lapsed is registered again at its next heartbeat, so the channel is back within two seconds.
const leaseMs = 6_000;

/**
 * LISTEN and NOTIFY of PostgreSQL, or BullMQ's relay on Redis when `redisUrl` is given. It connects again by itself; whoever
 * must not miss a message sends heartbeats to itself and reads the truth again when they stay away.
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
    ? createPostgresBroadcast({ databaseUrl, namespace, onError })
    : onRedis(redisUrl, namespace, onError);

const onRedis = (redisUrl: string, namespace: string, onError: (error: Error) => void): Broadcast => {
  let isClosed = false;
  const connection: ConnectionOptions = {
    url: redisUrl,
    maxRetriesPerRequest: null,
    // What cannot be sent now fails now: nobody waits for Redis, and no old messages pile up until it is back.
    enableOfflineQueue: false,
    retryStrategy: () => (isClosed ? null : reconnectMs),
  };
  const relay = new Relay<ConnectionOptions>({
    backend: createRedisRelayBackend,
    connection,
    namespace,
    leaseDuration: leaseMs,
  });
  relay.on("error", onError);
  return {
    backend: "redis",
    subscribe: async (topic, listener) => {
      await relay.subscribe(topic, ({ data }) => listener(data));
    },
    publish: async (topic, payload) => {
      await withDeadline(relay.publish(topic, payload), deadlineMs);
    },
    // Saying goodbye takes the store; a node that cannot is forgotten when its lease ends.
    close: () => {
      isClosed = true;
      return withDeadline(relay.close(), deadlineMs).catch(onError);
    },
  };
};
