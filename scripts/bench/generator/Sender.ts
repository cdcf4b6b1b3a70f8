/** A way to make one call. */
export type Sender = {
  /** Makes a call and reads its whole answer; gives the HTTP status. Throws what the network threw. */
  send: (index: number) => Promise<number>;
  /** Opens a stream and reads it until `signal` aborts; settles with the status once the first bytes are there. */
  stream: (index: number, signal: AbortSignal) => Promise<number>;
  close: () => Promise<void>;
};

/** Most connections of any sender, and so most calls at a time; further calls wait, and their wait counts. */
export const MAX_CONNECTIONS = 256;
/** Streams that are open at a time need a connection each. */
export const MAX_STREAMS = 1_100;
