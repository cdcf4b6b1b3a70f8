import type { Connection } from "./Connection.ts";

/** Connections that each carry one request at a time. */
export type ConnectionPool = {
  /** An idle connection, a new one, or the next that is given back. */
  acquire(signal?: AbortSignal): Promise<Connection>;
  /** Gives a connection back; a closed one makes room for a new one. */
  release(connection: Connection): void;
  close(): Promise<void>;
};

export function createConnectionPool(
  open: (signal?: AbortSignal) => Promise<Connection>,
  maxConnections: number,
): ConnectionPool {
  const idle: Connection[] = [];
  const all = new Set<Connection>();
  const waiters: (() => void)[] = [];
  let opening = 0;
  let isClosed = false;

  function wakeOne(): void {
    waiters.shift()?.();
  }

  function takeIdle(): Connection | undefined {
    // The most recently used one is the least likely to have been closed by the server.
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (connection.isUsable()) return connection;
    }
    return undefined;
  }

  async function openOne(signal?: AbortSignal): Promise<Connection> {
    opening += 1;
    try {
      const connection = await open(signal);
      all.add(connection);
      connection.onClose(() => {
        all.delete(connection);
        const index = idle.indexOf(connection);
        if (index !== -1) idle.splice(index, 1);
        wakeOne();
      });
      if (isClosed) {
        await connection.close();
        throw closedError();
      }
      return connection;
    } catch (cause) {
      wakeOne();
      throw cause;
    } finally {
      opening -= 1;
    }
  }

  return {
    async acquire(signal) {
      for (;;) {
        if (isClosed) throw closedError();
        const connection = takeIdle();
        if (connection) return connection;
        if (all.size + opening < maxConnections) return openOne(signal);
        await vacancy(waiters, signal);
        if (signal?.aborted) {
          // This turn was given to a caller that has gone away in the meantime.
          wakeOne();
          throw signal.reason;
        }
      }
    },
    release(connection) {
      if (!isClosed && connection.isUsable()) idle.push(connection);
      wakeOne();
    },
    async close() {
      isClosed = true;
      while (waiters.length > 0) wakeOne();
      await Promise.all([...all].map((connection) => connection.close()));
    },
  };
}

function closedError(): Error {
  return new Error("The client is closed.");
}

function vacancy(waiters: (() => void)[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const wake = () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    };
    const onAbort = () => {
      const index = waiters.indexOf(wake);
      if (index !== -1) waiters.splice(index, 1);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    waiters.push(wake);
  });
}
