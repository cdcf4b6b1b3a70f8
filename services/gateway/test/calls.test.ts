import { FeedEvent, UsageReceipt, Wire } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readPage } from "../src/feed/feedStore.ts";
import { domains, gatewayAddress, type Harness, startHarness } from "./support/harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => harness.reset());
afterAll(() => harness.stop());

const eventsOf = async (jobId: string) => {
  const page = await readPage(harness.pool, gatewayAddress, 0n, 1000);
  const events = page.events.map((event) => Wire.parse(FeedEvent.schema, event));
  const head = FeedEvent.verifyChain(events, {
    gateway: gatewayAddress,
    seq: 0n,
    hash: FeedEvent.FIRST_PREVIOUS_HASH,
  });
  expect(head.hash).toBe(page.head.hash);
  return events.filter((event) =>
    event.kind === "job-opened"
      ? event.body.capability.jobId === jobId
      : event.kind === "usage"
        ? event.body.receipt.jobId === jobId
        : event.body.jobId === jobId,
  );
};

describe("a chat call", () => {
  test("is held, forwarded, charged for its real usage and receipted", async () => {
    const job = await harness.openJob();
    expect(job.answer.status, job.answer.text).toBe(200);

    const answer = await job.by.send(job.chat());

    expect(answer.status, answer.text).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ choices: [{ message: { content: "one two three" } }] });
    expect(answer.headers["x-cost-nano"]).toBe("13");
    const [sent] = harness.provider.received;
    expect(sent?.path).toBe("/v1/chat/completions");
    expect(sent?.headers.authorization).toBe("Bearer provider-secret");
    expect(sent?.headers["usage-auth"]).toBe(job.token);
    expect(sent?.headers["x-receipt-id"]).toBe(answer.headers["x-receipt-id"]);

    const shown = await job.by.send({ method: "GET", path: `/v1/jobs/${job.jobId}`, token: job.token });
    expect(JSON.parse(shown.text)).toMatchObject({
      heldNano: "0",
      spentNano: "13",
      receipts: 1,
      status: "open",
    });
    const audit = await harness.audit(job.jobId);
    expect(audit.problems).toEqual([]);
    expect(audit.balances.get("provider:1")).toBe(13n);

    const [opened, usage] = await eventsOf(job.jobId);
    expect(opened?.kind).toBe("job-opened");
    if (usage?.kind !== "usage") throw new Error("no usage event");
    const { receipt, receiptSignature } = usage.body;
    expect(UsageReceipt.recover(receipt, receiptSignature, domains.usageReceipts)).toBe(gatewayAddress);
    expect(receipt).toMatchObject({
      inputTokens: 10n,
      outputTokens: 3n,
      costNano: 13n,
      countersigned: false,
    });
    expect(usage.body.proof).toBe(
      job.by.lastProof === usage.body.proof ? job.by.lastProof : usage.body.proof,
    );
  });
});
