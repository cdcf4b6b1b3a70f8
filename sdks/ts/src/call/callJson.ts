import { randomUUID } from "node:crypto";
import { type ErrorCode, ProtocolError } from "@tac/protocol";
import { z } from "zod";
import type { Answer } from "./Answer.ts";
import type { GatewayCaller, GatewayRequest } from "./createGatewayCaller.ts";
import { decodeError } from "./decodeError.ts";

/** The JSON of an answer, or the error that a status of 400 or above stands for. */
export function readJson<Value>(answer: Answer, schema: z.ZodType<Value>): Value {
  if (answer.status >= 400) throw decodeError(answer);
  const parsed = schema.safeParse(parseBody(answer.body));
  if (parsed.success) return parsed.data;
  throw unreadable(z.prettifyError(parsed.error), parsed.error);
}

/** Sends `body` as JSON and reads the JSON answer; throws CallError, ConnectionError or ProtocolError. */
export async function callJson<Value>(
  callGateway: GatewayCaller,
  request: Omit<GatewayRequest, "body"> & { json?: unknown },
  schema: z.ZodType<Value>,
): Promise<Value> {
  const { json, headers, ...rest } = request;
  const answer = await callGateway({
    ...rest,
    headers: { accept: "application/json", ...(json === undefined ? {} : JSON_CONTENT), ...headers },
    ...(json === undefined ? {} : { body: encodeJson(json) }),
  });
  return readJson(answer, schema);
}

export const JSON_CONTENT = { "content-type": "application/json" } as const;

export function encodeJson(json: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(json), "utf8");
}

export function newIdempotencyKey(): string {
  return randomUUID();
}

/** A block number, timestamp or count; servers may write it as a number or as digits. */
export const integer = z
  .union([z.int().min(0), z.string().regex(/^(?:0|[1-9][0-9]{0,18})$/)])
  .transform((value) => BigInt(value));

function parseBody(body: Answer["body"]): unknown {
  if (!Buffer.isBuffer(body)) throw unreadable("an event stream came instead of JSON");
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw unreadable("the body is not JSON", cause);
  }
}

function unreadable(detail: string, cause?: unknown, code: ErrorCode = "internal"): ProtocolError {
  return new ProtocolError(code, { detail: `The server's answer cannot be read: ${detail}.`, cause });
}
