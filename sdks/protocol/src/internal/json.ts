import { bytesEqual } from "./bytes.ts";

/**
 * Parses compact JSON from a stranger; undefined when it is not well-formed UTF-8, not JSON, or not spelt as
 * `JSON.stringify` would spell it. The last condition refuses duplicate keys, of which JSON.parse silently
 * keeps one, as well as blanks and alternative spellings of numbers and strings.
 */
export function parseJson(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (!bytesEqual(Buffer.from(text), bytes)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}
