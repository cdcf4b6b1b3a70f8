import { Wire } from "@tac/protocol";
import type { z } from "zod";
import { parseJsonObject } from "../call/json.ts";

/** Parses the raw body of a request, which stays raw because its bytes are what the proof signs. */
export function readJson<Value>(schema: z.ZodType<Value>, body: unknown): Value {
  return Wire.parse(schema, parseJsonObject(bodyBytes(body)));
}

export function bodyBytes(body: unknown): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}
