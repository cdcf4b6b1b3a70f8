import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { primedEvents } from "./primedEvents.ts";

const recorded = () => {
  const steps: string[] = [];
  async function* events(): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield Buffer.from("one");
      yield Buffer.from("two");
    } finally {
      steps.push("ended");
    }
  }
  return { steps, events: events(), finished: () => steps.push("finished") };
};

test("a caller who hung up before the first event ends the call all the same", async () => {
  const { steps, events, finished } = recorded();
  const stream = Readable.from(await primedEvents(events, finished));
  stream.destroy();
  await expect.poll(() => steps).toEqual(["ended", "finished"]);
});

test("events come in order, and the call ends after the last", async () => {
  const { steps, events, finished } = recorded();
  const seen: string[] = [];
  for await (const event of await primedEvents(events, finished)) seen.push(String(event));
  expect(seen).toEqual(["one", "two"]);
  expect(steps).toEqual(["ended", "finished"]);
});

test("a failure before the first event is the caller's to answer", async () => {
  const { events } = recorded();
  const failing = Object.assign(events, { next: () => Promise.reject(new RangeError("no event")) });
  await expect(primedEvents(failing, () => undefined)).rejects.toThrow("no event");
});
