import { Errors } from "@tac/protocol";

export type JsonObject = { readonly [field: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c;

/** Deeper than anything a tool's schema needs, and far from where writing it out again would end the stack. */
const MAX_DEPTH = 200;
/** More than the tokens of the largest embeddings request. Millions of empty objects would take a second to parse. */
const MAX_VALUES = 400_000;

/** Parses a body as UTF-8 JSON object of at most 200 levels and 400,000 values. Errors: `invalid_request`. */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  refuseExcess(bytes);
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

/** Counts levels and values from the bytes alone: what is inside strings does not count. */
function refuseExcess(bytes: Uint8Array): void {
  let depth = 0;
  let values = 1;
  let isInString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      depth += 1;
      values += 1;
      if (depth > MAX_DEPTH) throw excess(`is nested deeper than ${MAX_DEPTH} levels`);
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
    else if (byte === COMMA) values += 1;
    if (values > MAX_VALUES) throw excess(`holds more than ${MAX_VALUES} values`);
  }
}

function excess(what: string): Errors.ProtocolError {
  return Errors.fromCode("invalid_request", { detail: `The body ${what}.` });
}

/** A number such as 1e20 takes five times its bytes once it is written out; nothing else in JSON grows. */
const EXPONENT = /[0-9][eE]/;

/** Bytes of a body in the longer of two spellings: as it came, and as it is written anew for a provider. */
export function longestBytes(bytes: Buffer, body: JsonObject): number {
  if (!EXPONENT.test(bytes.toString("latin1"))) return bytes.length;
  return Math.max(bytes.length, Buffer.byteLength(JSON.stringify(body)));
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
