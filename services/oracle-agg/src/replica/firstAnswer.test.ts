import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { firstAnswer } from "./firstAnswer.ts";

const never = (): Promise<string> => new Promise(() => {});
const fails = async (): Promise<string> => {
  throw new Error("nothing here");
};

test("only the first is asked while it answers in time", async () => {
  const second = vi.fn(async () => "second");
  expect(await firstAnswer([async () => "first", second], 1_000)).toBe("first");
  expect(second).not.toHaveBeenCalled();
});

test("after a failure the next is asked at once", async () => {
  const startedAt = performance.now();
  expect(await firstAnswer([fails, fails, async () => "third"], 10_000)).toBe("third");
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test("one who hangs costs the patience, not more", async () => {
  const startedAt = performance.now();
  expect(await firstAnswer([never, async () => "second"], 100)).toBe("second");
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(95);
});

test("a late answer of the first counts when the second fails", async () => {
  const late = async (): Promise<string> => {
    await sleep(150);
    return "late";
  };
  expect(await firstAnswer([late, fails], 20)).toBe("late");
});

test("one who had nothing is asked again while another hangs", async () => {
  let asked = 0;
  const soon = async (): Promise<string> => {
    asked += 1;
    if (asked < 3) throw new Error("not yet");
    return "soon";
  };
  expect(await firstAnswer([soon, never], 20)).toBe("soon");
  expect(asked).toBe(3);
});

test("all failures are told when nobody has an answer", async () => {
  await expect(firstAnswer([fails, fails], 10)).rejects.toMatchObject({
    errors: [{ message: "nothing here" }, { message: "nothing here" }],
  });
});

test("there is no answer without a question", async () => {
  await expect(firstAnswer([], 10)).rejects.toThrow(AggregateError);
});
