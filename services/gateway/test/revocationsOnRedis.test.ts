import { setTimeout as sleep } from "node:timers/promises";
import { type Broadcast, createBroadcast } from "@tac/kit";
import { canStartRedis, startTestRedis, type TestRedis } from "@tac/kit/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Gateway } from "../src/createGateway.ts";
import { outcomeOf } from "./support/answers.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { gatewayAddress } from "./support/identities.ts";
import { postRevocation, revokeOneBody } from "./support/revocations.ts";

/** What a revocation, and the loss of the channel it comes on, may take to be felt. */
const PROMISED_MS = 5_000;

describe.skipIf(!canStartRedis())("two replicas whose channel is one Redis", () => {
  let redis: TestRedis;
  let harness: Harness;
  let second: { replica: Gateway; connectUrl: string; channel: Broadcast };

  const openChannel = (): Broadcast =>
    createBroadcast({
      databaseUrl: harness.databaseUrl,
      redisUrl: redis.url,
      namespace: gatewayAddress,
      onError: () => undefined,
    });
  const startReplica = async (replicaId: string): Promise<typeof second> => {
    const channel = openChannel();
    return { ...(await harness.startReplica(replicaId, harness.runtimePool, undefined, channel)), channel };
  };
  const stopReplica = async ({ replica, channel }: typeof second): Promise<void> => {
    await replica.app.close();
    await replica.stop();
    await channel.close();
  };
  /** Calls of one job at either replica. */
  const callersOf = async (job: TestJob) => {
    const elsewhere = await harness.caller(job.by.holder, { connectUrl: second.connectUrl });
    return {
      here: async () => outcomeOf(await job.by.send(job.chat())),
      there: async () => outcomeOf(await elsewhere.send(job.chat())),
    };
  };

  beforeAll(async () => {
    redis = await startTestRedis();
    harness = await startHarness({}, "inline", redis.url);
    second = await startReplica("replica-2");
  });
  afterEach(() => harness.reset());
  afterAll(async () => {
    if (second !== undefined) await stopReplica(second);
    await harness?.stop();
    await redis?.stop();
  });

  test("refuse at once, both, what was revoked at one", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    const [calls, otherCalls] = [await callersOf(job), await callersOf(other)];
    expect(await Promise.all([calls.here(), calls.there()])).toEqual(["ok", "ok"]);
    const answer = await postRevocation(harness, revokeOneBody(job));
    expect(answer.status, answer.text).toBe(200);
    await expect.poll(calls.there, { timeout: PROMISED_MS }).toBe("capability_revoked");
    expect(await calls.here()).toBe("capability_revoked");
    expect(await Promise.all([otherCalls.here(), otherCalls.there()])).toEqual(["ok", "ok"]);
  });

  test("are told through Redis, not by their next heartbeat", async () => {
    const heard: number[] = [];
    const listener = openChannel();
    await listener.subscribe("revoked", () => heard.push(Date.now()));
    const job = await harness.openJob();
    await postRevocation(harness, revokeOneBody(job));
    await expect.poll(() => heard.length, { timeout: PROMISED_MS }).toBe(1);
    await listener.close();
  });

  test("let no call through while Redis is gone, take revocations, and know them all when it is back", async () => {
    const [job, revoked] = [await harness.openJob(), await harness.openJob()];
    const [calls, revokedCalls] = [await callersOf(job), await callersOf(revoked)];
    expect(await Promise.all([calls.here(), calls.there(), revokedCalls.there()])).toEqual([
      "ok",
      "ok",
      "ok",
    ]);

    await redis.kill();
    const goneAtMs = Date.now();
    for (const call of [calls.here, calls.there]) {
      await expect
        .poll(call, { timeout: PROMISED_MS - (Date.now() - goneAtMs), interval: 100 })
        .toBe("revocations_unavailable");
    }
    const askedAtMs = Date.now();
    const answer = await postRevocation(harness, revokeOneBody(revoked));
    expect(answer.status, answer.text).toBe(200);
    expect(Date.now() - askedAtMs).toBeLessThan(PROMISED_MS);

    await redis.restart();
    for (const call of [calls.here, calls.there]) {
      await expect.poll(call, { timeout: 3 * PROMISED_MS, interval: 100 }).toBe("ok");
    }
    expect(await revokedCalls.there()).toBe("capability_revoked");
    expect(await revokedCalls.here()).toBe("capability_revoked");
  });

  test("end in time while Redis is gone", async () => {
    const third = await startReplica("replica-3");
    await redis.kill();
    // Long enough for a heartbeat to be under way without a server.
    await sleep(1_500);
    const startedAtMs = Date.now();
    await stopReplica(third);
    expect(Date.now() - startedAtMs).toBeLessThan(PROMISED_MS);
    await redis.restart();
  });
});
