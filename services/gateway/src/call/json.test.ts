import { Errors } from "@tac/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { longestBytes, parseJsonObject } from "./json.ts";

const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
const parse = (text: string) => parseJsonObject(Buffer.from(text));

describe("a body", () => {
  test("may be 200 levels deep, and no deeper", () => {
    expect(parse(nested(200))).toHaveProperty("a");
    expect(() => parse(nested(201))).toThrow(Errors.ProtocolError);
    expect(() => parse(nested(2_000_000))).toThrow("nested deeper than 200 levels");
  });

  test("may have 400,000 values, which an empty object counts as twice", () => {
    const listOf = (item: string, count: number) => `{"a":[${Array(count).fill(item).join(",")}]}`;
    expect(parse(listOf("1", 399_998))).toHaveProperty("a");
    expect(() => parse(listOf("1", 399_999))).toThrow("holds more than 400000 values");
    expect(() => parse(listOf("{}", 200_001))).toThrow("holds more than 400000 values");
    expect(parse(JSON.stringify({ text: ",".repeat(500_000) }))).toHaveProperty("text");
  });

  test("may have any number of brackets in its strings", () => {
    const text = `\\"${"[{".repeat(1_000)}`;
    expect(parse(JSON.stringify({ text }))).toEqual({ text });
  });

  test("is what JSON.parse says, when it is an object", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 })), (value) => {
        const text = JSON.stringify(value);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("is counted in its longer spelling, so that a provider never reads more than was held for", () => {
    const exponents = fc
      .tuple(fc.integer(), fc.constantFrom("e", "E", "e+", "e-"), fc.nat(330))
      .map(([digits, letter, exponent]) => `${digits}${letter}${exponent}`);
    const member = fc.oneof(
      exponents,
      fc.json(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.string().map((text) => JSON.stringify(text).replaceAll("a", "\\u0061")),
    );
    fc.assert(
      fc.property(fc.array(member), (members) => {
        const bytes = Buffer.from(`{"list": [${members.join(",")}]}`);
        const body = parseJsonObject(bytes);
        const written = Buffer.byteLength(JSON.stringify(body));
        expect(longestBytes(bytes, body)).toBe(Math.max(bytes.length, written));
      }),
    );
    const grown = Buffer.from('{"list":[1e20]}');
    expect(longestBytes(grown, parseJsonObject(grown))).toBe('{"list":[100000000000000000000]}'.length);
  });

  test.each(["[]", "1", "", "{", '{"a":1} x', "\ufeff{}"])("is refused when it is %j", (text) => {
    expect(() => parse(text)).toThrow(Errors.ProtocolError);
  });
});
