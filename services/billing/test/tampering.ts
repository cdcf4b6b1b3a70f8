import { Nano } from "@tac/protocol";
import { expect } from "vitest";
import type { ProblemCode } from "../src/verify/Problem.ts";
import { at, invoiceJson, type Json, resign, set, verifyIn } from "./invoiceJson.ts";
import type { World } from "./world.ts";

/** What a dishonest issuer changes before it signs again, and what of it must be found, among other things perhaps. */
export type Tampering = {
  name: string;
  change: (json: Json) => void;
  expected: { line: number | null; code: ProblemCode; path?: string }[];
};

/** Adds one to the number at a path. */
export const bump =
  (...path: (string | number)[]) =>
  (json: Json): void =>
    set(json, path, (Nano.parse(String(at(json, path))) + 1n).toString());

/** Expects the tampering to be found although its issuer signed the invoice again, which must succeed. */
export async function expectFound(world: World, { change, expected }: Tampering): Promise<void> {
  const json = structuredClone(invoiceJson(world));
  change(json);
  const signed = resign(json);
  expect(signed).not.toBeNull();
  const { valid, problems } = await verifyIn(world, signed);
  expect(valid).toBe(false);
  expect(problems).toEqual(expect.arrayContaining(expected.map((one) => expect.objectContaining(one))));
  expect(problems.map(({ code }) => code)).not.toContain("invalid_invoice_signature");
}
