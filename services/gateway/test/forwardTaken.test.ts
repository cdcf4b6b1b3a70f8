import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Admitted } from "../src/call/admitCall.ts";
import { forwardTaken } from "../src/call/forwardTaken.ts";
import { Interruption } from "../src/call/Interruption.ts";
import { readWanted } from "../src/call/wanted.ts";
import { ProviderPool } from "../src/upstream/ProviderPool.ts";
import { hex32 } from "./support/hex32.ts";
import { answerUsual, TestProvider } from "./support/TestProvider.ts";

const provider = new TestProvider();
let providers: ProviderPool;
beforeAll(async () => {
  const baseUrl = await provider.start();
  const described = {
    providerId: 1,
    baseUrl,
    apiKey: "key",
    reportsUsage: "none" as const,
  };
  providers = new ProviderPool([described], { timeoutMs: 5_000, connections: 4 });
});
afterEach(() => {
  provider.answer = answerUsual;
});
afterAll(async () => {
  await providers.close();
  await provider.stop();
});

const forward = (durable: Promise<void>) => {
  const call = {
    callId: hex32(),
    receiptId: hex32(),
    job: { jobId: hex32() },
    providerId: 1,
    proof: "proof",
    usageAuthToken: "token",
  } as Admitted["call"];
  const body = { model: "chat-1", messages: [{ role: "user", content: "hello" }], max_tokens: 20 };
  const wanted = readWanted("chat", "chat-1", body, 90, null);
  const admitted = { call, outputTokensPerChoice: 20n, durable };
  return forwardTaken(providers, admitted, wanted, new Interruption());
};

test("the time that an answer waits for its hold is none of its provider's", async () => {
  const { answer, waitedMs } = await forward(sleep(400));
  await answer.body.dump();
  expect(waitedMs).toBeGreaterThan(200);
});

test("the time that a hold waits for its answer is its provider's", async () => {
  provider.answer = async (received, response) => {
    await sleep(400);
    await answerUsual(received, response);
  };
  const { answer, waitedMs } = await forward(Promise.resolve());
  await answer.body.dump();
  expect(waitedMs).toBeLessThan(200);
});
