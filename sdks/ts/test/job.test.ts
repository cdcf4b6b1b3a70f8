import { randomBytes } from "node:crypto";
import { Header, HolderKey, Quote, UsageReceipt, Wire } from "@tac/protocol";
import { describe, expect, it } from "vitest";
import { withHolderKey } from "../src/index.ts";
import { testDomains, testPlan, testTariffSigner } from "../src/testing/index.ts";
import { chatBody, useWorld } from "./support.ts";

const world = useWorld();
const chatPath = "/v1/chat/completions";

describe("a quote", () => {
  it("is refused when another signer than the expected one signed it", async () => {
    const trusting = world.newClient({ tariffSigner: testTariffSigner });
    await expect(trusting.quote(testPlan)).resolves.toBeDefined();
    const wary = world.newClient({ tariffSigner: `0x${"00".repeat(20)}` });
    await expect(wary.quote(testPlan)).rejects.toMatchObject({ code: "invalid_signature" });
  });

  it.each([
    ["a step has grown dearer", (quoted: Quote.SignedQuote) => raiseCeiling(quoted)],
    ["a step is by another model", (quoted: Quote.SignedQuote) => renameModel(quoted)],
    ["the ceiling is not what was signed", (quoted: Quote.SignedQuote) => raiseSigned(quoted)],
  ])("is refused when %s", async (_name, tamper) => {
    const { client, gateway } = world;
    const honest = gateway.jobs.quote;
    gateway.jobs.quote = (body) => {
      const json = honest.call(gateway.jobs, body);
      return Quote.signedToJson(tamper(Quote.signedSchema.parse(json)));
    };
    try {
      await expect(client.quote(testPlan)).rejects.toMatchObject({
        code: expect.stringMatching(/^(quote_mismatch|invalid_signature)$/),
      });
    } finally {
      gateway.jobs.quote = honest;
    }
  });
});

describe("lock", () => {
  it("locks the ceiling unless told less, and never more", async () => {
    const { client } = world;
    const quoted = await client.quote(testPlan);
    const ceilingNano = quoted.signedQuote.quote.ceilingNano;
    const job = await client.lock(quoted);
    expect(job.capability).toMatchObject({
      maxSpendNano: ceilingNano,
      binding: 1,
      quoteHash: quoted.quoteHash,
    });
    expect(job.quoteHash).toBe(Quote.hash(quoted.signedQuote.quote, testDomains.quote));
    await expect(client.lock(quoted, ceilingNano + 1n)).rejects.toMatchObject({ param: "maxSpendNano" });
    await expect(client.lock(quoted, 0n)).rejects.toMatchObject({ param: "maxSpendNano" });
  });

  it("names the team and the user whose budgets the job counts against", async () => {
    const { client, gateway } = world;
    const quoted = await client.quote(testPlan);
    const owned = await client.lock(quoted, undefined, { owner: { team: "research", user: "ada" } });
    expect(gateway.jobs.all.get(owned.jobId)?.owner).toEqual({ team: "research", user: "ada" });
    const unowned = await client.lock(quoted);
    expect(gateway.jobs.all.get(unowned.jobId)?.owner).toEqual({});
  });

  it("takes a fresh salt each time, so that one quote can back two jobs", async () => {
    const { client } = world;
    const quoted = await client.quote(testPlan);
    const [first, second] = [await client.lock(quoted), await client.lock(quoted)];
    expect(first.jobId).not.toBe(second.jobId);
  });

  it("shows the signed job before it is sent", async () => {
    const { client, gateway } = world;
    let locksSeen = -1;
    await client.lock(await client.quote(testPlan), undefined, {
      onSigned(job) {
        expect(job.lock).toBeNull();
        locksSeen = gateway.seen.filter(({ path }) => path === "/v1/jobs/lock").length;
      },
    });
    expect(locksSeen).toBe(0);
  });
});

describe("an exported job", () => {
  it("survives JSON and resumes in a client that has the key", async () => {
    const { client, gateway } = world;
    const holder = HolderKey.generate();
    const first = world.newClient({ holder });
    const job = await world.lockedJob(first);
    const exported = JSON.parse(JSON.stringify(first.exportJob(job)));
    expect(JSON.stringify(exported)).not.toContain('"d"');
    const resumed = world.newClient({ holder });
    const imported = resumed.importJob(exported);
    expect(imported).toEqual(job);
    expect((await resumed.fetch(imported)(`${gateway.url}${chatPath}`, chatBody("x"))).status).toBe(200);

    const stranger = client.importJob(exported);
    await expect(client.close(stranger)).rejects.toMatchObject({ code: "invalid_capability" });
  });

  it("brings the holder key only on explicit demand", async () => {
    const { client } = world;
    const first = world.newClient();
    const job = await world.lockedJob(first);
    const exported = JSON.parse(JSON.stringify(first.exportJob(job, { [withHolderKey]: true })));
    expect(exported.holderPrivateJwk.d).toBeDefined();
    await expect(client.close(client.importJob(exported))).resolves.toMatchObject({ jobId: job.jobId });
  });

  it("is refused when its parts do not match", async () => {
    const { client } = world;
    const job = await world.lockedJob();
    const exported = client.exportJob(job);
    const forged = { ...exported, capability: { ...exported.capability, salt: `0x${"ee".repeat(32)}` } };
    expect(() => client.importJob(forged)).toThrow(/do not match/);
    expect(() => client.importJob({ ...exported, jwk: HolderKey.generate().jwk })).toThrow(/do not match/);
    expect(() => client.importJob({ ...exported, surprise: 1 })).toThrow();
    const plan = { steps: exported.signedQuote.plan.steps.map((step) => ({ ...step, maxCalls: 1_000 })) };
    const widened = { ...exported, signedQuote: { ...exported.signedQuote, plan } };
    expect(() => client.importJob(widened)).toThrow(/planHash/);
  });
});

describe("a closed job", () => {
  it("is followed to its settlement long after its last token expired, and takes no more calls", async () => {
    const { client, gateway } = world;
    gateway.jobs.tokenLifetimeSeconds = 1;
    const job = await world.lockedJob();
    await client.close(job);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const other = world.newClient();
    const imported = other.importJob(client.exportJob(job, { [withHolderKey]: true }));
    for (const reader of [client, other]) {
      expect((await reader.status(imported)).jobId).toBe(job.jobId);
      expect((await reader.settlement(imported)).status).toBe("settled");
      await expect(reader.lock(imported)).rejects.toMatchObject({ code: "job_closed" });
    }
    const refused = await client.fetch(job)(`${gateway.url}${chatPath}`, chatBody("x"));
    expect(refused.status).toBe(409);
  });
});

describe("a receipt", () => {
  it("counts only when the job's own gateway signed it", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    const answer = await client.fetch(job)(`${gateway.url}${chatPath}`, chatBody("x"));
    const receiptId = Wire.parse(Wire.bytes32, answer.headers.get(Header.receiptId));
    expect((await client.receipt(job, receiptId)).receipt.receiptId).toBe(receiptId);
    const stored = gateway.jobs.all.get(job.jobId)?.receipts[0];
    if (!stored) throw new Error("No call was charged.");
    const impostorKey = Wire.toHex(randomBytes(32));
    stored.receipt = { ...stored.receipt, gateway: Wire.privateKeyToAddress(impostorKey), costNano: 1n };
    stored.receiptSignature = UsageReceipt.sign(stored.receipt, testDomains.usageReceipts, impostorKey);
    await expect(client.receipt(job, receiptId)).rejects.toMatchObject({ code: "invalid_signature" });
  });
});

describe("settlement", () => {
  it("gives up after its time limit and says that the job is open", async () => {
    const { client } = world;
    const job = await world.lockedJob();
    await expect(client.settlement(job, { timeoutMs: 300 })).rejects.toMatchObject({
      code: "not_settled",
      message: expect.stringContaining("close it first"),
    });
  });
});

function raiseCeiling(quoted: Quote.SignedQuote): Quote.SignedQuote {
  const [first, ...rest] = quoted.steps;
  if (!first) throw new Error("The quote has no step.");
  return { ...quoted, steps: [{ ...first, ceilingNano: first.ceilingNano + 1n }, ...rest] };
}

function renameModel(quoted: Quote.SignedQuote): Quote.SignedQuote {
  const [first, ...rest] = quoted.steps;
  if (!first) throw new Error("The quote has no step.");
  return { ...quoted, steps: [{ ...first, model: "chat-large" }, ...rest] };
}

function raiseSigned(quoted: Quote.SignedQuote): Quote.SignedQuote {
  const raised = raiseCeiling(quoted);
  return { ...raised, quote: { ...raised.quote, ceilingNano: raised.quote.ceilingNano + 1n } };
}
