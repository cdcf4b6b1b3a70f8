import { Errors } from "@tac/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJsonObject } from "./json.ts";

const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
const parse = (text: string) => parseJsonObject(Buffer.from(text));

describe("a body", () => {
  test("may be 200 levels deep, and no deeper", () => {
    expect(parse(nested(200))).toHaveProperty("a");
    expect(() => parse(nested(201))).toThrow(Errors.ProtocolError);
    expect(() => parse(nested(2_000_000))).toThrow("nested deeper than 200 levels");
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

  test.each(["[]", "1", "", "{", '{"a":1} x', "\ufeff{}"])("is refused when it is %j", (text) => {
    expect(() => parse(text)).toThrow(Errors.ProtocolError);
  });
});
