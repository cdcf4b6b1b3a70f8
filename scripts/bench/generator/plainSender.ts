import { Pool } from "undici";
import { readUntilAborted } from "./readUntilAborted.ts";
import { MAX_CONNECTIONS, MAX_STREAMS, type Sender } from "./Sender.ts";
import type { PlainTarget } from "./Target.ts";

/** Calls over keep-alive connections. */
export const createPlainSender = ({ origin, call, stream }: PlainTarget): Sender => {
  const pool = new Pool(origin, { connections: MAX_CONNECTIONS, pipelining: 1 });
  const streams = new Pool(origin, { connections: MAX_STREAMS, pipelining: 1 });
  return {
    jobIds: [],
    send: async () => {
      const { statusCode, body } = await pool.request({ method: "POST", ...call });
      await body.arrayBuffer();
      return String(statusCode);
    },
    stream: async (_index, signal) => {
      const { statusCode, body } = await streams.request({ method: "POST", ...stream, signal });
      return readUntilAborted(body, statusCode);
    },
    close: async () => {
      await Promise.all([pool.destroy(), streams.destroy()]);
    },
  };
};
