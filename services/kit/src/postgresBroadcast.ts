import { hash } from "node:crypto";
import { Socket } from "node:net";
import pg from "pg";
import type { Broadcast } from "./broadcast.ts";
import { type Loop, startLoop } from "./loop.ts";
import { withDeadline } from "./withDeadline.ts";

/** How long a statement's answer is waited for before the connection counts as lost. */
const SILENCE_MS = 2_000;
const RECONNECT_MS = 500;

type Session = {
  client: pg.Client;
  /** Resolves with the reason once nothing more will come. */
  lost: Promise<Error>;
  close: () => Promise<void>;
};

/**
 * LISTEN and NOTIFY over one connection of its own: nothing is stored, so a message costs the server one statement and no
 * write to its log. A connection that is lost or falls silent is replaced, and listens again to every topic.
 */
export const createPostgresBroadcast = ({
  databaseUrl,
  namespace,
  onError,
}: {
  databaseUrl: string;
  namespace: string;
  onError: (error: Error) => void;
}): Broadcast => {
  const listeners = new Map<string, Set<(payload: unknown) => void>>();
  // Topics may be longer than the 63 bytes of an identifier.
  const channelOf = (topic: string): string => `tac_${hash("sha256", `${namespace}/${topic}`).slice(0, 40)}`;

  const open = async (): Promise<Session> => {
    const socket = new Socket();
    const client = new pg.Client({
      connectionString: databaseUrl,
      stream: () => socket,
      connectionTimeoutMillis: SILENCE_MS,
      query_timeout: SILENCE_MS,
      keepAlive: true,
    });
    const lost = new Promise<Error>((resolve) => {
      client.on("error", resolve);
      client.once("end", () => resolve(new Error("The connection of the channel has ended")));
    });
    void lost.then(() => socket.destroy());
    client.on("notification", ({ channel, payload = "" }) => {
      // Whoever may connect to the database may notify, and with anything.
      try {
        const message: unknown = JSON.parse(payload);
        for (const listener of listeners.get(channel) ?? []) listener(message);
      } catch (error) {
        onError(error as Error);
      }
    });
    const close = async (): Promise<void> => {
      await withDeadline(client.end(), SILENCE_MS).finally(() => socket.destroy());
    };
    try {
      await client.connect();
      for (const channel of listeners.keys()) await client.query(`LISTEN ${channel}`);
      return { client, lost, close };
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };

  let session: Session | null = null;
  let ready = (): void => undefined;
  const wasReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let closing = (): void => undefined;
  const closed = new Promise<null>((resolve) => {
    closing = () => resolve(null);
  });
  const loop: Loop = startLoop(
    { idleMs: RECONNECT_MS, onError: (error) => onError(error as Error) },
    async () => {
      const opened = await open();
      session = opened;
      ready();
      const reason = await Promise.race([opened.lost, closed]);
      session = null;
      if (reason !== null) throw reason;
      await opened.close();
      return false;
    },
  );

  /** Errors: the store's, or that the channel is not connected now. */
  const query = async (text: string, values?: string[]): Promise<void> => {
    const current = session;
    if (current === null) throw new Error("The channel has no connection to PostgreSQL");
    try {
      await current.client.query(text, values);
    } catch (error) {
      // After an answer that never came nothing more would get through.
      if (!(error instanceof pg.DatabaseError)) current.client.emit("error", error);
      throw error;
    }
  };
  return {
    backend: "postgres",
    subscribe: async (topic, listener) => {
      await wasReady;
      const channel = channelOf(topic);
      const known = listeners.get(channel);
      if (known) known.add(listener);
      else listeners.set(channel, new Set([listener]));
      await query(`LISTEN ${channel}`);
    },
    publish: async (topic, payload) => {
      await wasReady;
      await query("SELECT pg_notify($1, $2)", [channelOf(topic), JSON.stringify(payload)]);
    },
    close: async () => {
      closing();
      await loop.stop();
    },
  };
};
