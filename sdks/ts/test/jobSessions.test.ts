import { expect, test } from "vitest";
import type { GatewayCaller } from "../src/call/createGatewayCaller.ts";
import { createHolderKeyring } from "../src/job/HolderKeyring.ts";
import { createJobSessions } from "../src/job/JobSessions.ts";
import { useWorld } from "./support.ts";

const world = useWorld();

test("as many sessions are kept as was said; a forgotten job gets a token anew and its budget back", async () => {
  const [first, second] = [await world.lockedJob(), await world.lockedJob()];
  let asked = 0;
  const callGateway: GatewayCaller = async ({ body }) => {
    asked += 1;
    const { capability } = JSON.parse(Buffer.from(body ?? "").toString()) as {
      capability: { jobId: string };
    };
    const job = capability.jobId === first.jobId ? first : second;
    const answer = {
      jobId: job.jobId,
      capabilityHash: job.capabilityHash,
      transactionHash: job.capabilityHash,
      blockNumber: "1",
      usageAuth: `token-${asked}`,
      usageAuthExpiresAt: Math.floor(Date.now() / 1000) + 300,
      lockedNano: job.capability.maxSpendNano.toString(),
      spentNano: "0",
    };
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) };
  };
  const keyring = createHolderKeyring(undefined);
  const sessions = createJobSessions(callGateway, { ...keyring, find: () => keyring.defaultHolder }, 1);

  await sessions.lock(first);
  sessions.addSpent(first, 1n);
  expect(sessions.remainingNano(first)).toBe(first.capability.maxSpendNano - 1n);
  expect(await sessions.prover(first).usageAuth?.()).toBe("token-1");
  await sessions.lock(second);
  expect(await sessions.prover(second).usageAuth?.()).toBe("token-2");
  expect(sessions.remainingNano(first)).toBe(first.capability.maxSpendNano);
  expect(await sessions.prover(first).usageAuth?.()).toBe("token-3");
});
