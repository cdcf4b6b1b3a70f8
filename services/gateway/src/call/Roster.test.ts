import { expect, test } from "vitest";
import { Roster } from "./Roster.ts";

test("lists what was added and not yet taken out, whatever the order of leaving", () => {
  const roster = new Roster<number>();
  const leave = Array.from({ length: 50 }, (_, item) => roster.add(item));
  const left = new Set<number>();
  for (let step = 0; step < 50; step += 1) {
    const item = (step * 37) % 50;
    leave[item]?.();
    left.add(item);
    const expected = Array.from({ length: 50 }, (_, each) => each).filter((each) => !left.has(each));
    expect([...roster].sort((one, two) => one - two)).toEqual(expected);
    expect(roster.size).toBe(expected.length);
  }
});

test("takes an item out once, and not the one that came into its place", () => {
  const roster = new Roster<string>();
  const leave = roster.add("first");
  roster.add("second");
  leave();
  leave();
  expect([...roster]).toEqual(["second"]);
});

test("can be changed while it is read", () => {
  const roster = new Roster<string>();
  const leaves = ["one", "two", "three"].map((item) => roster.add(item));
  const seen: string[] = [];
  for (const item of roster) {
    seen.push(item);
    for (const leave of leaves) leave();
  }
  expect(seen).toEqual(["one", "two", "three"]);
});
