import { Wire } from "@tac/protocol";
import type { z } from "zod";
import { parseJsonObject } from "../call/json.ts";

/** Far more than 64 steps of a plan take; calls and batches of receipts alone need the whole of what the gateway reads. */
export const SMALL_BODY = { bodyLimit: 256 * 1024 } as const;

/** Parses the raw body of a request, which stays raw because its bytes are what the proof signs. */
export function readJson<Value>(schema: z.ZodType<Value>, body: unknown): Value {
  return Wire.parse(schema, parseJsonObject(bodyBytes(body)));
}

export function bodyBytes(body: unknown): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}
