import { expect, test } from "vitest";
import { decodeLog } from "../src/chain/decodeLog.ts";
import { encodeLog } from "./encodeLog.ts";
import { createWorld, deployment, name32 } from "./world.ts";

const { events, locked } = createWorld();

test.each(
  [...events, { ...locked, name: "Released" as const, releasedNano: 7n }].map((event) => ({ event })),
)("$event.name survives its log", ({ event }) => {
  expect(decodeLog(encodeLog(event), deployment)).toMatchObject(
    event.name === "Released" ? { name: "Released", releasedNano: 7n, tenant: locked.tenant } : event,
  );
});

test("the same log from another contract is no event", () => {
  expect(decodeLog({ ...encodeLog(locked), address: deployment.asset }, deployment)).toBeNull();
});

test("a log of another ABI, a torn log and a pending log are no events", () => {
  const log = encodeLog(locked);
  expect(decodeLog({ ...log, topics: [name32("Transfer(address,address,uint256)")] }, deployment)).toBeNull();
  expect(decodeLog({ ...log, topics: [] }, deployment)).toBeNull();
  expect(decodeLog({ ...log, data: "0x01" }, deployment)).toBeNull();
  expect(decodeLog({ ...log, blockNumber: null }, deployment)).toBeNull();
});
