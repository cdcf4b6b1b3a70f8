import { Errors } from "@tac/protocol";

export type JsonObject = { readonly [field: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses a body as UTF-8 JSON object. Errors: `invalid_request`. */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw Errors.fromCode("invalid_request", { detail: "The body is not JSON in UTF-8.", cause });
  }
  if (!isJsonObject(value)) {
    throw Errors.fromCode("invalid_request", { detail: "The body must be a JSON object." });
  }
  return value;
}

/** A whole number from 1 on, or null when the field is absent. Errors: `invalid_request`. */
export function positiveInteger(value: unknown, param: string): bigint | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw Errors.fromCode("invalid_request", { param, detail: `${param} must be a positive integer.` });
  }
  return BigInt(value);
}

/** A count as a provider reports it; anything but a whole non-negative number counts as not reported. */
export function count(value: unknown): bigint | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : null;
}
