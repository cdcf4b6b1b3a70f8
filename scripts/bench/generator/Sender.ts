import type { Hex } from "viem";

/** A way to make one call. */
export type Sender = {
  /** The jobs that pay for the calls; none where nothing is paid. */
  jobIds: readonly Hex[];
  /** Makes a call and reads its whole answer; gives its status, and its error code if it has one: "402 credit_exhausted". */
  send: (index: number) => Promise<string>;
  /** Opens a stream and reads it until `signal` aborts; settles with the status when the first bytes are there. */
  stream: (index: number, signal: AbortSignal) => Promise<number>;
  close: () => Promise<void>;
};

/** Most connections of any sender, and so most calls at a time; further calls wait, and their wait counts. */
export const MAX_CONNECTIONS = 256;
/** Streams that are open at a time need a connection each. */
export const MAX_STREAMS = 1_100;
