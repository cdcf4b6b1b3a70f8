import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { Header } from "@tac/protocol";
import type { Holder, Job } from "@tac/sdk";
import {
  type Connection,
  createConnectionPool,
  createGatewayCaller,
  createHolderKeyring,
  createJobSessions,
} from "@tac/sdk/transport";

/** How a call ended for its caller. `lost`: no answer came, or it broke off. */
export type CallEnd = {
  status: number | "lost";
  code: string;
  receiptId: string | null;
  costNano: bigint | null;
};

export type CallOptions = {
  /** `/v1/chat/completions` when absent. */
  path?: string;
  idempotencyKey?: string;
  /** Repeats after the first attempt, as an application's SDK makes them. */
  maxRetries?: number;
  /** Hangs up after so many bytes of a stream. */
  hangUpAfterBytes?: number;
};

/** One gateway, or several behind one URL. */
export type Gateways = {
  /** What every proof names, whichever replica it goes to. */
  origin: string;
  connect: (signal?: AbortSignal) => Promise<Connection>;
};

/** Calls with the credit of one job, over connections of its own. */
export type Spender = {
  job: Job;
  call: (body: object, options?: CallOptions) => Promise<CallEnd>;
  close: () => Promise<void>;
};

const MAX_COST_NANO = 1_000_000_000n;

const codeOf = (body: Buffer): string => {
  try {
    return (JSON.parse(body.toString()) as { error?: { code?: string } }).error?.code ?? "";
  } catch {
    return "";
  }
};

/** What lies at the bottom of a failed connection. */
const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "";
  return error.cause instanceof Error ? reasonOf(error.cause) : `(${error.message})`;
};

/** Reads a stream to its end, or hangs up on the way. */
const readStream = async (body: Readable, hangUpAfterBytes: number): Promise<boolean> => {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += (chunk as Buffer).length;
      if (bytes >= hangUpAfterBytes) return false;
    }
    return true;
  } catch {
    return false;
  } finally {
    body.destroy();
  }
};

export const openSpender = (
  { origin, connect }: Gateways,
  job: Job,
  holder: Holder,
  maxConnections: number,
): Spender => {
  const pool = createConnectionPool((signal) => connect(signal), maxConnections);
  const callGateway = createGatewayCaller({
    origin,
    pool,
    retry: { maxRetries: 0, baseDelayMs: 100, maxDelayMs: 3_000 },
  });
  const sessions = createJobSessions(callGateway, createHolderKeyring(holder));
  const prover = sessions.prover(job, MAX_COST_NANO);

  const call = async (body: object, options: CallOptions = {}): Promise<CallEnd> => {
    const {
      path = "/v1/chat/completions",
      idempotencyKey = randomUUID(),
      maxRetries = 0,
      hangUpAfterBytes = Number.POSITIVE_INFINITY,
    } = options;
    try {
      const {
        status,
        headers,
        body: answer,
      } = await callGateway({
        method: "POST",
        path,
        headers: { "content-type": "application/json", [Header.idempotencyKey]: idempotencyKey },
        body: Buffer.from(JSON.stringify(body)),
        prover,
        retry: { maxRetries },
      });
      const cost = headers[Header.costNano];
      const isWhole = Buffer.isBuffer(answer) || (await readStream(answer, hangUpAfterBytes));
      return {
        status: isWhole ? status : "lost",
        code: Buffer.isBuffer(answer) ? codeOf(answer) : "",
        receiptId: typeof headers[Header.receiptId] === "string" ? String(headers[Header.receiptId]) : null,
        costNano: typeof cost === "string" ? BigInt(cost) : null,
      };
    } catch (error) {
      return { status: "lost", code: reasonOf(error), receiptId: null, costNano: null };
    }
  };
  return { job, call, close: () => pool.close() };
};
