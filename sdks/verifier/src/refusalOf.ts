import { type Errors, ProtocolError } from "@tac/protocol";

/** An answer in OpenAI's shape, which the gateway passes on to the caller. */
export type Refusal = { status: number; headers: Record<string, string>; body: Errors.OpenAiError };

/** What a middleware answers for an error of the verifier; null for any other error, which is not its to answer. */
export const refusalOf = (error: unknown): Refusal | null => {
  if (!(error instanceof ProtocolError)) return null;
  const headers: Record<string, string> = error.status === 503 ? { "retry-after": "1" } : {};
  return { status: error.status, headers, body: error.toOpenAi() };
};

/** The model that a parsed OpenAI body names; undefined for any other body. */
export const modelOf = (body: unknown): string | undefined =>
  typeof body === "object" && body !== null && "model" in body && typeof body.model === "string"
    ? body.model
    : undefined;
