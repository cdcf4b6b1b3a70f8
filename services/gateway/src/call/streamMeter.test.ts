import { describe, expect, test } from "vitest";
import { StreamMeter } from "./streamMeter.ts";

const block = (payload: unknown) => Buffer.from(`data: ${JSON.stringify(payload)}\n\n`);
const delta = (content: string) => block({ choices: [{ delta: { content } }] });

describe("the meter of a stream", () => {
  test("estimates four bytes a token until the provider counts", () => {
    const meter = new StreamMeter(10n, true);
    for (const text of ["12345678", "12345678"]) meter.delivered(meter.read(delta(text)).textBytes);
    expect(meter.tokens()).toEqual({ inputTokens: 3n, cachedInputTokens: 0n, outputTokens: 4n });
    meter.read(block({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 2 } }));
    expect(meter.tokens()).toEqual({ inputTokens: 9n, cachedInputTokens: 0n, outputTokens: 2n });
  });

  test("counts at least one token for each event with text", () => {
    const meter = new StreamMeter(0n, false);
    for (const text of ["a", "b", "c"]) meter.delivered(meter.read(delta(text)).textBytes);
    expect(meter.tokens().outputTokens).toBe(3n);
  });

  test("counts the arguments of tool calls and reasoning", () => {
    const meter = new StreamMeter(0n, false);
    const call = { choices: [{ delta: { tool_calls: [{ function: { name: "ab", arguments: "{}" } }] } }] };
    expect(meter.read(block(call)).textBytes).toBe(4n);
    expect(meter.read(block({ choices: [{ delta: { reasoning_content: "abc" } }] })).textBytes).toBe(3n);
  });

  test("keeps the report and an unwanted usage event from the caller, nothing else", () => {
    const meter = new StreamMeter(0n, false);
    expect(meter.read(Buffer.from(": x-usage-report abc\n\n"))).toMatchObject({
      deliver: false,
      report: "abc",
    });
    expect(meter.read(Buffer.from(": keep-alive\n\n"))).toMatchObject({ deliver: true, report: null });
    expect(meter.read(Buffer.from("data: no json\n\n"))).toMatchObject({ deliver: true });
    expect(meter.read(block({ choices: [], usage: { prompt_tokens: 1 } }))).toMatchObject({ deliver: false });
    expect(meter.read(Buffer.from("data: [DONE]\n\n"))).toMatchObject({ isEnd: true });
  });
});
