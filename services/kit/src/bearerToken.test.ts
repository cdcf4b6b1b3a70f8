import { expect, test } from "vitest";
import { requireBearerToken } from "./bearerToken.ts";

const check = requireBearerToken("0123456789abcdef");

test("accepts the token", () => {
  expect(() => check("Bearer 0123456789abcdef")).not.toThrow();
});

test.each([
  undefined,
  "",
  "0123456789abcdef",
  "Bearer 0123456789abcdeg",
  "bearer 0123456789abcdef",
  "Bearer 0123456789abcdef ",
])("refuses %j", (authorization) => {
  expect(() => check(authorization)).toThrow(expect.objectContaining({ code: "unauthorized" }));
});
