import { Errors } from "@tac/protocol";
import type { FastifyError } from "fastify";
import { z } from "zod";
import { isStoreUnavailable } from "./database.ts";

const fastifyCodes: Record<string, Errors.ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "body_too_large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
};

const isFastifyError = (error: Error): error is FastifyError => "statusCode" in error && "code" in error;

const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === "number" ? `${text}[${part}]` : text === "" ? String(part) : `${text}.${String(part)}`,
    "",
  );

/** The first problem zod found, as `invalid_request` whose `param` is the path of the field (`steps[0].model`). */
export const fromZodError = (error: z.core.$ZodError): Errors.ProtocolError => {
  const issue = error.issues[0];
  const path =
    issue === undefined
      ? []
      : issue.code === "unrecognized_keys"
        ? [...issue.path, issue.keys[0] ?? ""]
        : issue.path;
  const param = pathOf(path);
  return Errors.fromCode("invalid_request", {
    detail:
      issue === undefined
        ? "The request is malformed."
        : `${param === "" ? "body" : param}: ${issue.message}.`,
    cause: error,
    ...(param === "" ? {} : { param }),
  });
};

/**
 * What to answer for anything thrown. An unexpected error becomes `internal`, whose text says nothing of the cause;
 * a PostgreSQL that cannot be reached becomes `store_unavailable`.
 */
export const toProtocolError = (error: unknown): Errors.ProtocolError => {
  if (error instanceof Errors.ProtocolError) return error;
  if (error instanceof z.core.$ZodError) return fromZodError(error);
  if (isStoreUnavailable(error)) return Errors.fromCode("store_unavailable", { cause: error });
  if (error instanceof Error && isFastifyError(error)) {
    const code = fastifyCodes[error.code];
    if (code !== undefined) return Errors.fromCode(code, { cause: error });
    if (error.statusCode === 429) return Errors.fromCode("rate_limited", { cause: error });
    if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
      return Errors.fromCode("invalid_request", {
        detail: `${error.message.replace(/\.$/, "")}.`,
        cause: error,
      });
    }
  }
  return Errors.fromCode("internal", { cause: error });
};

const parse = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw fromZodError(result.error);
};

/**
 * Parses a request body.
 * @throws ProtocolError `invalid_request` whose `param` is the path of the offending field.
 */
export const parseBody = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> =>
  parse(schema, value);

/**
 * Parses path or query parameters; the same errors as {@link parseBody}.
 */
export const parseParams = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> =>
  parse(schema, value);
