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
      expect(splitter.rest()).toHaveLength(0);
    }),
  );
});

test("an event without end is not waited for forever", () => {
  const splitter = new SseBlocks();
  expect(() => splitter.push(Buffer.alloc(1024 * 1024 + 1, "a"))).toThrow(RangeError);
});
