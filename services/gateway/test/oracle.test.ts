import {
  FeedEvent,
  Header,
  MerkleTree,
  PeerAuth,
  PrivateKey,
  UsageReceipt,
  UsageReport,
  Wire,
} from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "./support/answers.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { domains, gatewayAddress, providerKey } from "./support/identities.ts";
import { signReport } from "./support/signReport.ts";
import { chunkOf, DONE, sendJson, usageChunk } from "./support/TestProvider.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

const sleep = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));

const answerReporting = (counts: Partial<UsageReport.UsageReport>, key?: Hex) => {
  harness.provider.answer = (_received, response) =>
    sendJson(
      response,
      200,
      { choices: [{ message: { content: "one" } }], usage: { prompt_tokens: 10, completion_tokens: 3 } },
      { [Header.countersignature]: UsageReport.toHeader(signReport(harness, counts, key)) },
    );
};

const receiptOf = async (job: TestJob, receiptId: unknown) => {
  const answer = await job.by.send({
    method: "GET",
    path: `/v1/receipts/${String(receiptId)}`,
    token: job.token,
  });
  return answer.status === 200
    ? Wire.parse(UsageReceipt.schema, (JSON.parse(answer.text) as { receipt: unknown }).receipt)
    : null;
};

describe("a provider's report", () => {
  test("of the same counts countersigns the receipt", async () => {
    const job = await harness.openJob({ countersigned: true });
    answerReporting({});
    const answer = await job.by.send(job.chat());
    expect(answer.headers["x-cost-nano"]).toBe("13");
    expect(answer.headers).not.toHaveProperty("x-usage-report");
    expect(await receiptOf(job, answer.headers["x-receipt-id"])).toMatchObject({
      countersigned: true,
      costNano: 13n,
    });
  });

  test("of smaller counts settles", async () => {
    const job = await harness.openJob();
    answerReporting({ outputTokens: 1n });
    const answer = await job.by.send(job.chat());
    expect(answer.headers["x-cost-nano"]).toBe("11");
    expect(await receiptOf(job, answer.headers["x-receipt-id"])).toMatchObject({
      countersigned: true,
      outputTokens: 1n,
    });
  });

  test("of larger counts does not settle, and is put on record", async () => {
    const job = await harness.openJob();
    answerReporting({ outputTokens: 5n });
    const answer = await job.by.send(job.chat());
    expect(answer.headers["x-cost-nano"]).toBe("13");
    expect(await receiptOf(job, answer.headers["x-receipt-id"])).toMatchObject({ countersigned: false });
    const { rows } = await harness.pool.query(
      "SELECT reason FROM usage_disagreements JOIN calls USING (call_id) WHERE receipt_id = decode($1, 'hex')",
      [String(answer.headers["x-receipt-id"]).slice(2)],
    );
    expect(rows).toEqual([{ reason: "provider_higher" }]);
  });

  test.each([
    ["by another key", {}, hex32()],
    ["about another call", { receiptId: hex32() }, providerKey],
  ])("%s counts as none", async (_name, counts, key) => {
    const job = await harness.openJob();
    answerReporting({ outputTokens: 1n, ...counts }, key);
    const answer = await job.by.send(job.chat());
    expect(answer.headers["x-cost-nano"]).toBe("13");
    expect(await receiptOf(job, answer.headers["x-receipt-id"])).toMatchObject({ countersigned: false });
  });

  test("is what a job that demands it pays for: without one, nothing is charged", async () => {
    const job = await harness.openJob({ countersigned: true });
    const answer = await job.by.send(job.chat());
    expect([answer.status, answer.headers["x-cost-nano"]]).toEqual([200, "0"]);
    const audit = await harness.audit(job.jobId);
    expect(audit.problems).toEqual([]);
    expect(audit.balances.get("available")).toBe(100_000n);
    expect(await receiptOf(job, answer.headers["x-receipt-id"])).toBeNull();
  });

  test("in the last comment of a stream is taken, and not passed on", async () => {
    const job = await harness.openJob({ countersigned: true });
    harness.provider.answer = (_received, response) => {
      const report = `: x-usage-report ${UsageReport.toHeader(signReport(harness, {}))}\n\n`;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(chunkOf("one") + usageChunk(10, 3) + DONE + report);
    };
    const answer = await job.by.send(job.chat({ stream: true }));
    expect(answer.text).toBe(chunkOf("one") + DONE);
    expect(await receiptOf(job, answer.headers["x-receipt-id"])).toMatchObject({
      countersigned: true,
      costNano: 13n,
    });
  });
});

describe("POST /v1/usage/emit", () => {
  const embed = (token: string) => ({
    path: "/v1/embeddings",
    body: { model: "embed-1", input: "some text" },
    token,
    maxCostNano: 1_000n,
  });
  const embeddingCounts = { providerId: 2, modelHash: UsageReceipt.modelHash("embed-1"), outputTokens: 0n };

  test("before capture settles the call", async () => {
    const job = await harness.openJob({ countersigned: true });
    const provider = await harness.caller();
    harness.provider.answer = (_received, response) => {
      const signed = signReport(harness, { ...embeddingCounts, inputTokens: 7n });
      sendJson(response, 200, { data: [], usage: { prompt_tokens: 7 } });
      void sleep(100).then(() => provider.send({ path: "/v1/usage/emit", body: UsageReport.toJson(signed) }));
    };
    const answer = await job.by.send(embed(job.token));
    expect(answer.headers["x-cost-nano"]).toBe("7");
    expect(await receiptOf(job, answer.headers["x-receipt-id"])).toMatchObject({ countersigned: true });
  });

  test("after capture is put on record, and says whether it agrees", async () => {
    const job = await harness.openJob();
    await job.by.send(embed(job.token));
    const emit = async (inputTokens: bigint, key?: Hex) => {
      const signed = signReport(harness, { ...embeddingCounts, inputTokens }, key);
      return job.by.send({ path: "/v1/usage/emit", body: UsageReport.toJson(signed) });
    };
    expect(codeOf((await emit(7n, hex32())).text)).toBe("invalid_signature");
    expect(JSON.parse((await emit(7n)).text)).toEqual({ late: true, agrees: true });
    expect(JSON.parse((await emit(6n)).text)).toEqual({ late: true, agrees: false });
    expect((await harness.audit(job.jobId)).balances.get("provider:2")).toBe(7n);
  });

  test("about an unknown call is refused", async () => {
    const job = await harness.openJob();
    await job.by.send(job.chat());
    const signed = signReport(harness, { receiptId: hex32() });
    const answer = await job.by.send({ path: "/v1/usage/emit", body: UsageReport.toJson(signed) });
    expect([answer.status, codeOf(answer.text)]).toEqual([404, "unknown_receipt"]);
  });

  test("by a provider that no call goes to is refused without asking the chain who that is", async () => {
    harness.chain.isDown = true;
    const signed = signReport(harness, { receiptId: hex32(), jobId: hex32(), providerId: 999 });
    const by = await harness.caller();
    const answer = await by.send({ path: "/v1/usage/emit", body: UsageReport.toJson(signed) });
    expect([answer.status, codeOf(answer.text)]).toEqual([404, "unknown_receipt"]);
  });
});

describe("an aggregator", () => {
  const peerSend = async (method: "GET" | "POST", path: string, body?: unknown, key = harness.peerKey) => {
    const by = await harness.caller();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = PeerAuth.sign(
      { method, path, peer: "1", timestampMs: Date.now(), ...(text === undefined ? {} : { body: text }) },
      key,
    );
    return by.send({ method, path, headers, ...(text === undefined ? {} : { rawBody: text }) });
  };

  test("reads the feed in pages that link up under a signed head", async () => {
    const job = await harness.openJob();
    await job.by.send(job.chat());
    let cursor: FeedEvent.FeedHead = {
      gateway: gatewayAddress,
      seq: 0n,
      hash: FeedEvent.FIRST_PREVIOUS_HASH,
    };
    for (;;) {
      const answer = await peerSend("GET", `/v1/oracle/events?after=${cursor.seq}&limit=3`);
      expect(answer.status, answer.text).toBe(200);
      const page = Wire.parse(FeedEvent.pageSchema, JSON.parse(answer.text));
      expect(FeedEvent.recoverHead(page.head, domains.usageReceipts)).toBe(gatewayAddress);
      expect(page.events.length).toBeLessThanOrEqual(3);
      cursor = FeedEvent.verifyChain(page.events, cursor);
      if (page.events.length === 0) {
        expect(cursor.hash).toBe(page.head.hash);
        break;
      }
    }
    expect(cursor.seq).toBeGreaterThanOrEqual(2n);
  });

  test("that is not enrolled reads nothing", async () => {
    const stranger = PrivateKey.generate("Ed25519");
    const answer = await peerSend("GET", "/v1/oracle/events?after=0&limit=1", undefined, stranger);
    expect([answer.status, codeOf(answer.text)]).toEqual([401, "invalid_signature"]);
    const by = await harness.caller();
    expect((await by.send({ method: "GET", path: "/v1/oracle/events" })).status).toBe(401);
  });

  test("marks receipts as settled when the chain shows the batch", async () => {
    const job = await harness.openJob();
    const answer = await job.by.send(job.chat());
    const receiptId = String(answer.headers["x-receipt-id"]) as Hex;
    const receipt = await receiptOf(job, receiptId);
    if (receipt === null) throw new Error("no receipt");
    const transactionHash = hex32();
    const batchHash = hex32();
    const notice = { laneId: 0, batchNumber: "1", batchHash, transactionHash, receiptIds: [receiptId] };

    expect(codeOf((await peerSend("POST", "/v1/oracle/receipt", notice)).text)).toBe("not_settled");

    const header = {
      laneId: 0,
      keyEpoch: 1,
      batchNumber: 1n,
      windowStart: 0n,
      windowEnd: 1n,
      receiptsRoot: MerkleTree.root([UsageReceipt.leaf(receipt)]),
      receiptCount: 1,
      linesHash: hex32(),
      totalNano: 13n,
      previousBatchHash: hex32(),
      sourcesHash: hex32(),
    };
    const committed = { laneId: 0, batchNumber: 1n, batchHash, header, blockNumber: 7n, jobIds: [job.jobId] };
    harness.chain.batches.set(transactionHash, {
      ...committed,
      header: { ...header, receiptsRoot: hex32() },
    });
    expect(codeOf((await peerSend("POST", "/v1/oracle/receipt", notice)).text)).toBe("invalid_request");

    harness.chain.batches.set(transactionHash, committed);
    const other = { ...notice, batchHash: hex32() };
    expect(codeOf((await peerSend("POST", "/v1/oracle/receipt", other)).text)).toBe("invalid_request");
    for (const _attempt of [1, 2]) {
      expect(JSON.parse((await peerSend("POST", "/v1/oracle/receipt", notice)).text)).toEqual({
        accepted: 1,
      });
    }
    const shown = await job.by.send({ method: "GET", path: `/v1/receipts/${receiptId}`, token: job.token });
    expect(JSON.parse(shown.text)).toMatchObject({
      settlement: { batchNumber: "1", batchHash, transactionHash },
    });

    await job.by.send({ path: "/v1/jobs/close", body: {}, token: job.token });
    const lock = harness.chain.locks.get(job.jobId);
    if (lock) lock.isClosed = true;
    await peerSend("POST", "/v1/oracle/receipt", notice);
    const view = await job.by.send({ method: "GET", path: `/v1/jobs/${job.jobId}`, token: job.token });
    expect(JSON.parse(view.text)).toMatchObject({ status: "settled", settlements: [{ batchNumber: "1" }] });
  });
});
