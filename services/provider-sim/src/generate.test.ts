import { describe, expect, test } from "vitest";
import { embed, generate } from "./generate.ts";
import { countTokens, tokenise } from "./tokens.ts";

describe("tokenise", () => {
  test.each(["", "hello", "  leading and trailing  ", "zażółć gęślą 🦆🦆🦆🦆🦆", "a\n\nb\t", "   "])(
    "joined, the tokens of %j give the text back, each at least a byte",
    (text) => {
      expect(tokenise(text).join("")).toBe(text);
      expect(countTokens(text)).toBeLessThanOrEqual(Buffer.byteLength(text));
    },
  );
});

describe("generate", () => {
  test("answers the same prompt alike, and another choice otherwise", () => {
    const bounds = { choice: 0, length: undefined, maxTokens: 100 };
    expect(generate("hello", bounds)).toEqual(generate("hello", bounds));
    expect(generate("hello", { ...bounds, choice: 1 })).not.toEqual(generate("hello", bounds));
  });

  test("never exceeds max_tokens, and says that it was cut", () => {
    const cut = generate("hello", { choice: 0, length: 50, maxTokens: 7 });
    expect(cut).toMatchObject({ finishReason: "length", tokens: { length: 7 } });
    expect(generate("hello", { choice: 0, length: 50, maxTokens: 50 }).finishReason).toBe("stop");
  });
});

describe("embed", () => {
  test("gives a unit vector that depends on the text alone", () => {
    expect(embed("a", 64)).toEqual(embed("a", 64));
    expect(embed("a", 64)).not.toEqual(embed("b", 64));
    expect(Math.hypot(...embed("a", 64))).toBeCloseTo(1, 9);
  });
});
