import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import {
  Batch,
  BatchHeader,
  Capability,
  Deployment,
  FeedEvent,
  Invoice,
  Line,
  Plan,
  Pricing,
  ProtocolError,
  Quote,
  Sources,
  Tariff,
  UsageReceipt,
  UsageReport,
  Wire,
} from "../src/index.ts";
import * as arbitraries from "./arbitraries.ts";

type Case = {
  name: string;
  check: (runs: number) => void;
  sample: () => unknown;
  schema: z.ZodType<unknown>;
};

function noun<Value>(
  name: string,
  arbitrary: fc.Arbitrary<Value>,
  schema: z.ZodType<Value>,
  toJson: (value: Value) => unknown,
): Case {
  return {
    name,
    schema,
    sample: () => throughText(toJson(fc.sample(arbitrary, { numRuns: 1, seed: 7 })[0] as Value)),
    check: (numRuns) =>
      fc.assert(
        fc.property(arbitrary, (value) => {
          const json = throughText(toJson(value));
          const parsed = Wire.parse(schema, json);
          expect(parsed).toEqual(value);
          expect(throughText(toJson(parsed))).toEqual(json);
        }),
        { numRuns },
      ),
  };
}

const nouns = [
  noun("Units", arbitraries.units, Pricing.unitsSchema, Pricing.unitsToJson),
  noun("Prices", arbitraries.prices, Pricing.pricesSchema, Pricing.pricesToJson),
  noun("Tariff", arbitraries.tariff, Tariff.schema, Tariff.toJson),
  noun("Plan", arbitraries.plan, Plan.schema, Plan.toJson),
  noun("Quote", arbitraries.quote, Quote.schema, Quote.toJson),
  noun("SignedQuote", arbitraries.signedQuote, Quote.signedSchema, Quote.signedToJson),
  noun("Capability", arbitraries.capability, Capability.schema, Capability.toJson),
  noun("UsageReceipt", arbitraries.receipt, UsageReceipt.schema, UsageReceipt.toJson),
  noun("SignedUsageReport", arbitraries.signedReport, UsageReport.schema, UsageReport.toJson),
  noun("Line", arbitraries.line, Line.schema, Line.toJson),
  noun("BatchHeader", arbitraries.header, BatchHeader.schema, BatchHeader.toJson),
  noun("Sources", arbitraries.sources, Sources.schema, Sources.toJson),
  noun("Batch", arbitraries.batch, Batch.schema, Batch.toJson),
  noun("FeedEvent", arbitraries.feedEvent, FeedEvent.schema, FeedEvent.toJson),
  noun("FeedPage", arbitraries.feedPage, FeedEvent.pageSchema, FeedEvent.pageToJson),
  noun("Invoice", arbitraries.invoice, Invoice.schema, Invoice.toJson),
];

describe.each(nouns)("$name", ({ check, sample, schema }) => {
  it("reads back whatever it writes", () => check(60));

  it("refuses every single change of spelling, unknown member and missing member", () => {
    const json = sample();
    expect(schema.safeParse(json).success).toBe(true);
    const accepted = misspellings(json).filter(({ value }) => schema.safeParse(value).success);
    expect(accepted.map(({ change }) => change)).toEqual([]);
  });

  it("answers anything else with a ProtocolError", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => Wire.parse(schema, value)).toThrow(ProtocolError);
      }),
      { numRuns: 50 },
    );
  });
});

describe("Deployment", () => {
  it("reads back whatever it writes, and lowers checksummed addresses", () => {
    fc.assert(
      fc.property(arbitraries.deployment, (deployment) => {
        const json = Deployment.toJson(deployment);
        expect(Wire.parse(Deployment.schema, json)).toEqual(deployment);
        const shouted = { ...json, asset: `0x${json.asset.slice(2).toUpperCase()}`, mockUsdc: json.asset };
        expect(Wire.parse(Deployment.schema, shouted)).toEqual(deployment);
        const numeric = { ...json, startBlock: Number(deployment.startBlock) };
        expect(Wire.parse(Deployment.schema, numeric)).toEqual(deployment);
      }),
      { numRuns: 20 },
    );
  });
});

it("names the offending member in a parse error", () => {
  const json = { ...Line.toJson(fc.sample(arbitraries.line, 1)[0] as Line.Line), amountNano: "007" };
  expect(() => Wire.parse(Line.schema, json)).toThrow(
    expect.objectContaining({ code: "invalid_request", param: "amountNano" }),
  );
});

function throughText(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Each copy of the document differs from it in one place, and says the same in a way that must be refused. */
function misspellings(json: unknown, path = ""): { change: string; value: unknown }[] {
  if (Array.isArray(json)) {
    return json.flatMap((item, index) =>
      misspellings(item, `${path}[${index}]`).map(({ change, value }) => ({
        change,
        value: json.with(index, value),
      })),
    );
  }
  if (typeof json === "object" && json !== null) {
    const entries: [string, unknown][] = Object.entries(json);
    const nested = entries.flatMap(([key, item]) =>
      misspellings(item, `${path}.${key}`).map(({ change, value }) => ({
        change,
        value: { ...json, [key]: value },
      })),
    );
    const missing = entries
      .filter(([key]) => !isOptional(key, json))
      .map(([key]) => ({
        change: `${path}.${key} missing`,
        value: Object.fromEntries(entries.filter(([other]) => other !== key)),
      }));
    const unknown = { change: `${path} with an unknown member`, value: { ...json, unknownMember: 1 } };
    return [...nested, ...missing, unknown];
  }
  return respellings(json).map((value) => ({ change: `${path} as ${JSON.stringify(value)}`, value }));
}

/** Only the step of a plan that is not quoted yet may leave its provider open. */
function isOptional(key: string, json: object): boolean {
  return key === "providerId" && "maxCalls" in json && !("ceilingNano" in json);
}

function respellings(value: unknown): unknown[] {
  if (typeof value !== "string")
    return typeof value === "number" ? [`${value}`, value + 0.5, -1 - value] : [];
  if (/^0x[0-9a-f]+$/.test(value)) {
    const shouted = `0x${value.slice(2).toUpperCase()}`;
    return [value.slice(2), ` ${value}`, `${value}0`, value.slice(0, -1), `${value}\n`].concat(
      shouted === value ? [] : [shouted],
    );
  }
  if (/^[0-9]+$/.test(value))
    return [`0${value}`, `+${value}`, `-${value}`, ` ${value}`, `${value}.0`, `0x${value}`, Number(value)];
  return [];
}
