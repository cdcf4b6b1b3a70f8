import fc from "fast-check";
import { expect, test } from "vitest";
import { SseBlocks } from "./sseBlocks.ts";

const cut = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const ends = [...new Set(at.map((point) => point % (bytes.length + 1)))].sort(
    (left, right) => left - right,
  );
  return [0, ...ends].map((start, index) => bytes.subarray(start, ends[index] ?? bytes.length));
};

test("events come out whole and unchanged, however the stream was cut", () => {
  const line = fc.string().map((text) => `data: ${text.replace(/[\r\n]/g, "")}`);
  const event = fc.tuple(fc.array(line, { minLength: 1, maxLength: 3 }), fc.constantFrom("\n", "\r\n"));
  fc.assert(
    fc.property(fc.array(event), fc.array(fc.nat(10_000)), (events, cuts) => {
      const blocks = events.map(([lines, end]) => lines.join(end) + end + end);
      const splitter = new SseBlocks();
      const seen = cut(Buffer.from(blocks.join("")), cuts).flatMap((chunk) =>
        splitter.push(chunk).map(String),
      );
      expect(seen.join("")).toBe(blocks.join(""));
      expect(seen).toEqual(blocks);
      expect(splitter.end()).toBeNull();
    }),
  );
});

test("the end of a stream ends its last event", () => {
  const splitter = new SseBlocks();
  expect(splitter.push(Buffer.from("data: a\n\ndata: [DONE]\n")).map(String)).toEqual(["data: a\n\n"]);
  expect(String(splitter.end())).toBe("data: [DONE]\n\n");
});

test("a megabyte in single bytes is searched once, not once for each byte, which would take minutes", () => {
  const splitter = new SseBlocks();
  for (const byte of Buffer.alloc(1024 * 1024, "a\n")) splitter.push(Buffer.of(byte));
  expect(splitter.end()).toHaveLength(1024 * 1024 + 1);
});

test("an event without end is not waited for forever", () => {
  const splitter = new SseBlocks();
  expect(() => splitter.push(Buffer.alloc(1024 * 1024 + 1, "a"))).toThrow(RangeError);
});
