import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { at, invoiceJson, type Json, leafPaths, resign, set, verifyIn } from "./invoiceJson.ts";
import { createWorld } from "./world.ts";

const world = createWorld();
const honest = invoiceJson(world, 1_900);
const paths = leafPaths(honest);

const TIMEOUT_MS = 180_000;

/** What the issuer states on its own authority, which no chain can contradict. */
const STATED_BY_ISSUER = new Set(["issuedAtMs", "tax.country"]);

const HEX = "0123456789abcdef";

/** A value of the same kind that differs from the one given. */
function flip(value: Json, at: number): Json {
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  if (value === null) return "DE";
  if (typeof value !== "string" || value === "") return "x";
  if (/^[0-9]+$/.test(value)) return (BigInt(value) + 1n).toString();
  const start = value.startsWith("0x") ? 2 : 0;
  const index = start + (at % (value.length - start));
  const old = value[index] ?? "";
  const digit = HEX.indexOf(old);
  const flipped = digit === -1 ? "z" : (HEX[(digit + 1) % 16] ?? "");
  return value.slice(0, index) + (flipped === old ? "q" : flipped) + value.slice(index + 1);
}

const anyFlip = fc.record({ path: fc.constantFrom(...paths), position: fc.nat(1_000) });

describe("one changed value anywhere", () => {
  test(
    "is never valid",
    async () => {
      await fc.assert(
        fc.asyncProperty(anyFlip, async ({ path, position }) => {
          const json = structuredClone(honest);
          set(json, path, flip(at(json, path), position));
          const { valid, problems } = await verifyIn(world, json);
          expect(valid).toBe(false);
          expect(problems.length).toBeGreaterThan(0);
        }),
        { numRuns: 40 },
      );
    },
    TIMEOUT_MS,
  );

  test(
    "is found in the chain even when its issuer signed it again",
    async () => {
      await fc.assert(
        fc.asyncProperty(anyFlip, async ({ path, position }) => {
          fc.pre(!STATED_BY_ISSUER.has(path.join(".")) && path[0] !== "signature");
          const json = structuredClone(honest);
          set(json, path, flip(at(json, path), position));
          const { valid } = await verifyIn(world, resign(json) ?? json);
          expect(valid).toBe(false);
        }),
        { numRuns: 60 },
      );
    },
    TIMEOUT_MS,
  );
});

describe("a hostile file", () => {
  test("gives typed problems, never a crash", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (json) => {
        const { valid, problems } = await verifyIn(world, json);
        expect(valid).toBe(false);
        expect(problems.every(({ code }) => code === "malformed_invoice")).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test(
    "with any one value replaced by anything gives problems",
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...paths), fc.jsonValue(), async (path, value) => {
          const json = structuredClone(honest);
          fc.pre(JSON.stringify(at(json, path)) !== JSON.stringify(value));
          set(json, path, JSON.parse(JSON.stringify(value)));
          expect((await verifyIn(world, json)).valid).toBe(false);
        }),
        { numRuns: 60 },
      );
    },
    TIMEOUT_MS,
  );
});
