import { describe, expect, it } from "vitest";
import { Errors, ProtocolError } from "../src/index.ts";

describe("catalogue", () => {
  it.each(Object.entries(Errors.catalogue))("%s says what happened and what to do next", (code, entry) => {
    expect(code).toMatch(/^[a-z][a-z_]+$/);
    expect(entry.status).toBeGreaterThanOrEqual(400);
    expect(entry.title.length).toBeGreaterThan(3);
    expect(entry.hint).toMatch(/\.$/);
    expect(Errors.isErrorCode(code)).toBe(true);
  });

  it("answers exhausted credit with 402 and conflicts with 409, which are not worth a retry", () => {
    expect(Errors.catalogue.credit_exhausted).toMatchObject({ status: 402, retryable: false });
    expect(Errors.catalogue.idempotency_conflict).toMatchObject({ status: 409, retryable: false });
    expect(Errors.catalogue.not_settled).toMatchObject({ status: 404, retryable: true });
    expect(Errors.isErrorCode("toString")).toBe(false);
  });
});

describe("ProtocolError", () => {
  const cause = new Error("socket closed");
  const error = Errors.fromCode("provider_error", {
    detail: "Provider 2 closed the stream.",
    param: "model",
    cause,
  });

  it("does not grow with what it quotes", () => {
    const long = "k".repeat(10_000);
    const { message, param } = Errors.fromCode("cost_unbounded", { detail: `No ${long}.`, param: long });
    expect([message.length, param?.length]).toEqual([1_000, 200]);
    expect(message).toMatch(/^No k+…$/);
    const whole = { detail: "d".repeat(1_000), param: "p".repeat(200) };
    const { message: detail, param: field } = Errors.fromCode("invalid_request", whole);
    expect({ detail, param: field }).toEqual(whole);
  });

  it("is an error with a code, a cause and a message for people", () => {
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({
      code: "provider_error",
      status: 502,
      retryable: true,
      param: "model",
      cause,
    });
    expect(error.message).toBe("Provider 2 closed the stream.");
    expect(new ProtocolError("internal").message).toBe(Errors.catalogue.internal.title);
    expect("cause" in new ProtocolError("internal")).toBe(false);
  });

  it("becomes a problem of RFC 9457, without the cause", () => {
    expect(error.toProblem()).toEqual({
      type: "urn:tac:error:provider_error",
      title: "The provider failed",
      status: 502,
      detail: "Provider 2 closed the stream.",
      code: "provider_error",
      hint: Errors.catalogue.provider_error.hint,
      retryable: true,
      param: "model",
    });
    expect(new ProtocolError("internal").toProblem()).not.toHaveProperty("param");
  });

  it.each([
    ["invalid_proof", "authentication_error"],
    ["credit_exhausted", "insufficient_quota"],
    ["model_not_allowed", "permission_error"],
    ["rate_limited", "rate_limit_error"],
    ["invalid_request", "invalid_request_error"],
    ["internal", "api_error"],
  ] as const)("gives %s the OpenAI type %s", (code, type) => {
    const body = new ProtocolError(code).toOpenAi();
    expect(body.error).toMatchObject({ type, code, param: null });
    expect(Object.keys(body.error).sort()).toEqual(["code", "message", "param", "type"]);
  });
});
