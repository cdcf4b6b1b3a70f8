import { expect, test } from "vitest";
import { limitKeyOf } from "./limitKey.ts";

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2::1", "2001:db8:1:2::"],
  ["2001:0DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"],
  ["2001:db8:1:3::1", "2001:db8:1:3::"],
  ["not: an address", "not: an address"],
  [undefined, "gone"],
])("%s is counted as %s", (address, key) => {
  expect(limitKeyOf(address)).toBe(key);
  expect(limitKeyOf(address)).toBe(key);
});
