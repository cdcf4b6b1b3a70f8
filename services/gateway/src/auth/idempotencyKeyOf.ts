import { Errors, Header } from "@tac/protocol";
import type { FastifyRequest } from "fastify";

const PATTERN = /^[\x21-\x7e]{1,128}$/;

/** The request's Idempotency-Key, or null without one. Errors: `invalid_request` when it repeats or is malformed. */
export function idempotencyKeyOf(request: FastifyRequest): string | null {
  const values = request.raw.headersDistinct[Header.idempotencyKey];
  if (values === undefined) return null;
  const [key] = values;
  if (values.length === 1 && key !== undefined && PATTERN.test(key)) return key;
  throw Errors.fromCode("invalid_request", {
    param: Header.idempotencyKey,
    detail: "An Idempotency-Key has 1 to 128 printable ASCII characters without blanks.",
  });
}
