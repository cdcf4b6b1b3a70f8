import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FeedEvent, Tariff, UsageReport, Wire } from "../src/index.ts";
import { describeEvent, readPageText } from "../src/internal/readPageText.ts";
import { readUsageText } from "../src/internal/readUsageText.ts";
import * as arbitraries from "./arbitraries.ts";
import { codeOf, domain, gateway, gatewayKey, provider, providerKey, repeated } from "./fixtures.ts";

const start: FeedEvent.FeedHead = { gateway, seq: 0n, hash: FeedEvent.FIRST_PREVIOUS_HASH };

function chain(count: number): FeedEvent.FeedEvent[] {
  const events: FeedEvent.FeedEvent[] = [];
  for (const sample of fc.sample(arbitraries.feedEvent, { numRuns: count, seed: 3 })) {
    const previous = events.at(-1) ?? start;
    const { hash: _, ...draft } = sample;
    events.push(FeedEvent.create({ ...draft, gateway, seq: previous.seq + 1n, previousHash: previous.hash }));
  }
  return events;
}

describe("FeedEvent", () => {
  const events = chain(5);
  const [first, second, third] = events;
  if (!first || !second || !third) throw new Error("the chain is too short");

  const usage = fc
    .sample(arbitraries.feedEvent, { numRuns: 50, seed: 4 })
    .find(({ kind }) => kind === "usage");
  if (usage === undefined) throw new Error("there is no usage in the sample");

  it("chains from zero, also across pages and through JSON", () => {
    const read = events.map((event) =>
      Wire.parse(FeedEvent.schema, JSON.parse(JSON.stringify(FeedEvent.toJson(event)))),
    );
    const cursor = FeedEvent.verifyChain(read.slice(0, 2), start);
    expect(cursor).toEqual({ gateway, seq: 2n, hash: second.hash });
    expect(FeedEvent.verifyChain(read.slice(2), cursor).seq).toBe(5n);
    expect(FeedEvent.verifyChain([], cursor)).toEqual(cursor);
  });

  it.each<[string, FeedEvent.FeedEvent[]]>([
    ["a gap", [first, third]],
    ["a repetition", [first, first]],
    ["another order", [second, first]],
    ["a changed member", [{ ...first, recordedAtMs: first.recordedAtMs ^ 1n }]],
    ["a changed hash", [{ ...first, hash: repeated("01") }]],
    ["a changed link", [first, FeedEvent.create({ ...second, previousHash: repeated("01") })]],
    ["another gateway", [FeedEvent.create({ ...first, gateway: provider })]],
  ])("refuses %s", (_name, broken) => {
    expect(codeOf(() => FeedEvent.verifyChain(broken, start))).toBe("invalid_request");
  });

  it("hashes and writes one canonical text, whatever the body", () => {
    const odd = fc.constantFrom('"', "\\", "\u0007", "é", "\u2028");
    fc.assert(
      fc.property(arbitraries.feedEvent, fc.option(odd, { nil: "" }), ({ hash: _, ...sample }, tail) => {
        const draft =
          sample.kind === "usage"
            ? { ...sample, body: { ...sample.body, proof: sample.body.proof + tail } }
            : sample;
        const { event, text } = FeedEvent.createText(draft);
        const { hash, ...json } = FeedEvent.toJson(event);
        expect(hash).toBe(Wire.hashJson(json));
        expect(JSON.parse(text)).toEqual({ ...json, hash });
      }),
    );
  });

  it("receives what it wrote, with the hash judged", () => {
    fc.assert(
      fc.property(arbitraries.feedEvent, fc.boolean(), ({ hash: _, ...draft }, isForged) => {
        const { event, text } = FeedEvent.createText(draft);
        const forged = isForged ? text.replace(event.hash, repeated("01")) : text;
        const received = FeedEvent.receive(forged);
        expect(received.isHashed).toBe(!isForged);
        expect(received.event).toEqual(isForged ? { ...event, hash: repeated("01") } : event);
        // The order of members is the sender's own affair; only the canonical text is read in one pass.
        expect(FeedEvent.receive(JSON.stringify(FeedEvent.toJson(event)))).toEqual({ event, isHashed: true });
      }),
    );
  });

  it("reads a text in one pass only if the schema takes it, and to the same event", () => {
    const piece = fc.constantFrom(
      '"',
      "0",
      "9",
      "f",
      "F",
      "x",
      "-",
      "00",
      "1e3",
      "18446744073709551616",
      "null",
    );
    let read = 0;
    fc.assert(
      fc.property(
        arbitraries.feedEvent.filter(({ kind }) => kind === "usage"),
        fc.nat(),
        fc.nat(3),
        fc.option(piece, { nil: "" }),
        ({ hash: _, ...draft }, place, length, inserted) => {
          const { text } = FeedEvent.createText(draft);
          const at = place % text.length;
          const changed = `${text.slice(0, at)}${inserted}${text.slice(at + length)}`;
          const quick = readUsageText(changed);
          if (quick === null) return;
          read += 1;
          const event = Wire.parse(FeedEvent.schema, JSON.parse(changed));
          expect(quick.event).toEqual(event);
          const { hash, ...json } = FeedEvent.toJson(event);
          expect(quick.canonical).toBe(Wire.canonicalJson(json));
        },
      ),
      { numRuns: 2_000 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it.each([
    ["a number above 64 bits", /"seq":"\d+"/, '"seq":"18446744073709551616"'],
    ["a provider above 32 bits", /"providerId":\d+/, '"providerId":4294967296'],
    ["another member", /"kind"/, '"kine":1,"kind"'],
    ["hex in capitals", /"hash":"0x[0-9a-f]{64}"/, `"hash":"0x${"A".repeat(64)}"`],
    ["a member twice", /"kind":"usage"/, '"kind":"job-closed","kind":"usage"'],
    ["blanks", /"kind"/, ' "kind"'],
    ["what is no JSON", /"kind"/, "kind"],
  ])("does not receive %s", (_name, what, instead) => {
    const { hash: _hash, ...draft } = usage;
    const { text } = FeedEvent.createText(draft);
    expect(text).toMatch(what);
    expect(codeOf(() => FeedEvent.receive(text.replace(what, instead)))).toBe("invalid_request");
  });

  describe("a page", () => {
    const head = FeedEvent.signHead({ gateway, seq: 5n, hash: repeated("02") }, domain, gatewayKey);
    const headText = JSON.stringify({ ...head, seq: "5" });
    const textOf = ({ hash: _, ...draft }: FeedEvent.FeedEvent): string => FeedEvent.createText(draft).text;
    const pageOf = (texts: readonly string[]): string => `{"events":[${texts.join(",")}],"head":${headText}}`;

    it("is cut into the texts of its events", () => {
      fc.assert(
        fc.property(fc.array(arbitraries.feedEvent, { maxLength: 5 }), (sample) => {
          const texts = sample.map(textOf);
          expect(readPageText(pageOf(texts))?.events.map(({ text }) => text)).toEqual(texts);
          const { events, head: read } = FeedEvent.readPage(pageOf(texts));
          expect(read).toEqual(head);
          events.forEach(({ text, ...names }, index) => {
            expect(text).toBe(texts[index]);
            expect({ text, ...names }).toEqual(describeEvent(JSON.parse(text)));
          });
        }),
      );
    });

    it("in another spelling holds the same events", () => {
      fc.assert(
        fc.property(fc.array(arbitraries.feedEvent, { maxLength: 3 }), (sample) => {
          const json = sample.map(FeedEvent.toJson);
          const spelt = JSON.stringify({ head: JSON.parse(headText), events: json }, null, 1);
          const { events } = FeedEvent.readPage(spelt);
          expect(events.map(({ text }) => JSON.parse(text))).toEqual(json);
        }),
      );
    });

    it("is never cut into other events than a parser finds", () => {
      const piece = fc.constantFrom(
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "0",
        '{"body":{',
        '},{"body":{',
      );
      const [opened] = fc
        .sample(arbitraries.feedEvent, { numRuns: 50, seed: 4 })
        .filter(({ kind }) => kind === "job-opened");
      if (opened === undefined) throw new Error("there is no opening in the sample");
      const page = pageOf([usage, opened, usage].map(textOf));
      let cuts = 0;
      fc.assert(
        fc.property(fc.nat(), fc.nat(80), fc.option(piece, { nil: "" }), (place, length, inserted) => {
          const at = place % page.length;
          const changed = `${page.slice(0, at)}${inserted}${page.slice(at + length)}`;
          const cut = readPageText(changed);
          if (cut === null) return;
          let parts: unknown[];
          try {
            parts = [...cut.events.map(({ text }) => text), cut.headText].map((text) => JSON.parse(text));
          } catch {
            expect(() => JSON.parse(changed)).toThrow(SyntaxError);
            return;
          }
          cuts += 1;
          expect(JSON.parse(changed)).toEqual({ events: parts.slice(0, -1), head: parts.at(-1) });
        }),
        { numRuns: 5_000 },
      );
      expect(cuts).toBeGreaterThan(100);
    });

    it.each([
      ["no JSON", "{"],
      ["events that are no list", `{"events":{},"head":${headText}}`],
      ["no head", '{"events":[]}'],
      ["a head of another form", '{"events":[],"head":{}}'],
      ["another member", `{"events":[],"head":${headText},"more":1}`],
      ["too many events", pageOf(Array.from({ length: 10_001 }, () => "{}"))],
    ])("with %s is refused", (_name, text) => {
      expect(codeOf(() => FeedEvent.readPage(text))).toBe("invalid_request");
    });

    it("of a gateway that repeats the members looked for is not searched again for each", () => {
      const repeated = `,"jobId":"0x${"0".repeat(64)}",`.repeat(60_000);
      const page = `{"events":[{"body":{"proof":"a","receipt":{"a":1${repeated}}}],"head":{}}`;
      expect(readPageText(page)).toBeNull();
      expect(codeOf(() => FeedEvent.readPage(page))).toBe("invalid_request");
    });
  });

  it("has a head that its gateway signs", () => {
    const head = FeedEvent.signHead({ gateway, seq: 5n, hash: repeated("02") }, domain, gatewayKey);
    expect(FeedEvent.recoverHead(head, domain)).toBe(gateway);
    expect(FeedEvent.recoverHead({ ...head, seq: 4n }, domain)).not.toBe(gateway);
  });
});

describe("UsageReport", () => {
  const report = fc.sample(arbitraries.report, { numRuns: 1, seed: 5 })[0] as UsageReport.UsageReport;
  const signed = UsageReport.sign(report, domain, providerKey);
  const header = UsageReport.toHeader(signed);

  it("travels in a header and names its signer", () => {
    expect(UsageReport.fromHeader(header)).toEqual(signed);
    expect(UsageReport.recover(signed, domain)).toBe(provider);
    const inflated = { ...signed, report: { ...report, outputTokens: report.outputTokens ^ 1n } };
    expect(UsageReport.recover(inflated, domain)).not.toBe(provider);
  });

  it("refuses any other text", () => {
    const encode = (text: string) => Buffer.from(text).toString("base64url");
    const json = Buffer.from(header, "base64url").toString();
    const malformed = [
      "",
      `${header}=`,
      ` ${header}`,
      "A".repeat(5000),
      encode(`${json} `),
      encode(json.replace("{", '{"report":{},')),
      encode(json.replace("{", '{"extra":1,')),
      encode("[]"),
      encode("null"),
    ];
    for (const text of malformed) {
      expect(codeOf(() => UsageReport.fromHeader(text))).toBe("invalid_signature");
      expect(codeOf(() => UsageReport.fromHeader(text, "provider_error"))).toBe("provider_error");
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json().map(encode)), (text) => {
        expect(codeOf(() => UsageReport.fromHeader(text))).toBe("invalid_signature");
      }),
    );
  });
});

describe("canonical JSON (RFC 8785)", () => {
  it("sorts by UTF-16 code units and formats as ECMAScript, as the RFC's example", () => {
    const example = {
      numbers: JSON.parse("[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]"),
      string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
      literals: [null, true, false],
    };
    expect(Wire.canonicalJson(example)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    const keys = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 };
    expect(Object.values(JSON.parse(Wire.canonicalJson(keys)))).toHaveLength(7);
    expect(Wire.canonicalJson(keys)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
  });

  it("does not depend on the order of members", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(Wire.hashJson(reversed)).toBe(Wire.hashJson(value));
      }),
    );
  });

  it.each([
    [undefined],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [1n],
    ["\ud800"],
    [{ a: "x\udc00" }],
    ["\\\ud800"],
  ])("refuses %s", (value) => {
    expect(() => Wire.canonicalJson(value)).toThrow();
  });

  it("keeps text that only looks like a lone surrogate", () => {
    expect(Wire.canonicalJson("\\ud800")).toBe('"\\\\ud800"');
  });

  it("makes the hash of a tariff", () => {
    const tariff = fc.sample(arbitraries.tariff, { numRuns: 1, seed: 2 })[0] as Tariff.Tariff;
    expect(Tariff.hash(tariff)).toBe(Wire.hashJson(Tariff.toJson(tariff)));
    expect(Tariff.hash({ ...tariff, version: tariff.version + 1 })).not.toBe(Tariff.hash(tariff));
    expect(Tariff.findModel(tariff, tariff.models[0]?.model ?? "")).toBe(tariff.models[0]);
    expect(Tariff.findModel(tariff, " ")).toBeUndefined();
  });

  it("refuses a tariff that names a model twice", () => {
    const json = Tariff.toJson(fc.sample(arbitraries.tariff, { numRuns: 1, seed: 2 })[0] as Tariff.Tariff);
    const twice = { ...json, models: [...json.models, ...json.models] };
    expect(Tariff.schema.safeParse(twice).success).toBe(false);
  });
});
