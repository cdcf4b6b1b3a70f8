import { Header, ProtocolError } from "@tac/protocol";
import { describe, expect, it } from "vitest";
import { embeddingsOf, type RunEvent, textOf } from "../src/index.ts";
import { testPlan } from "../src/testing/index.ts";
import { useWorld } from "./support.ts";

const world = useWorld();
const hello = { messages: [{ role: "user", content: "hello world" }] };

async function collect(events: AsyncGenerator<RunEvent, void>): Promise<RunEvent[]> {
  const all = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("run", () => {
  it("runs the steps of a plan in order, feeds results forward, closes, and settles", async () => {
    const { client, gateway } = world;
    const events = await collect(
      client.run(testPlan, {
        draft: { ...hello, stream: true },
        index: (results) => ({ input: textOf(results, "draft") }),
      }),
    );
    expect(events.map(({ type }) => type)).toEqual([
      "locked",
      "step-start",
      "delta",
      "delta",
      "delta",
      "delta",
      "call-end",
      "step-end",
      "step-start",
      "call-end",
      "step-end",
      "done",
    ]);
    const done = events.at(-1);
    if (done?.type !== "done") throw new Error("The run did not end.");
    expect(textOf(done.results, "draft")).toBe("You said: hello world");
    expect(embeddingsOf(done.results, "index")).toEqual([["You said: hello world".length / 100, 0.5, -0.25]]);
    const state = gateway.jobs.all.get(done.job.jobId);
    expect(done.costNano).toBe(state?.spentNano);
    expect(done.costNano).toBeGreaterThan(0n);

    const progress: string[] = [];
    const settled = await client.settlement(done.job, { onProgress: ({ status }) => progress.push(status) });
    expect(progress).toEqual(["closed", "closed", "settled"]);
    expect(settled.settlements[0]?.transactionHash).toMatch(/^0x[0-9a-f]{64}$/);
    const [firstId] = events.flatMap((event) => (event.type === "call-end" ? [event.receiptId] : []));
    if (!firstId) throw new Error("No call was charged.");
    const signed = await client.receipt(done.job, firstId);
    expect(signed.settlement?.batchNumber).toBe(3n);
  });

  it("never sends a prompt with the quote", async () => {
    const { client, gateway } = world;
    await collect(client.run(testPlan, { draft: hello, index: { input: "x" } }));
    const quoted = gateway.seen.find(({ path }) => path === "/v1/jobs/quote");
    expect(quoted?.body.toString()).not.toContain("hello");
  });

  it("signs the step's ceiling per call as the most it pays", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    await collect(
      client.run(job, { draft: [hello, { ...hello, maxCostNano: 99_999n }], index: { input: "x" } }),
    );
    const calls = gateway.seen.filter(({ path }) => path === "/v1/chat/completions");
    const perCall = (job.signedQuote.steps[0]?.ceilingNano ?? 0n) / 4n;
    expect(calls.map(({ proof }) => proof?.claims.maxCostNano)).toEqual([perCall, 99_999n]);
    expect(calls.every(({ body }) => JSON.parse(body.toString()).max_tokens === 500)).toBe(true);
  });

  it("closes the job of a plan when a step fails, and tells why it failed", async () => {
    const { client, gateway } = world;
    const failing = client.run(testPlan, {
      draft: hello,
      index: () => {
        throw new ProtocolError("invalid_request", { detail: "no text" });
      },
    });
    let jobId: `0x${string}` | undefined;
    const run = (async () => {
      for await (const event of failing) if (event.type === "locked") jobId = event.job.jobId;
    })();
    await expect(run).rejects.toThrow("no text");
    expect(jobId && gateway.jobs.all.get(jobId)?.status).toBe("closed");
  });

  it("hangs up and closes when the consumer stops", async () => {
    const { client, gateway } = world;
    gateway.pieceDelayMs = 10;
    gateway.echo = () => "word ".repeat(200);
    const before = gateway.piecesSent();
    const jobs = new Set(gateway.jobs.all.keys());
    for await (const event of client.run(testPlan, {
      draft: { ...hello, stream: true },
      index: { input: "x" },
    })) {
      if (event.type === "delta") break;
    }
    const made = [...gateway.jobs.all].filter(([jobId]) => !jobs.has(jobId));
    expect(made.map(([, { status }]) => status)).toEqual(["closed"]);
    expect(gateway.piecesSent() - before).toBeLessThan(20);
  });

  it("waits for running calls when it closes", async () => {
    const { client, gateway } = world;
    const job = await world.lockedJob();
    let refusals = 3;
    const refusal = (code: ProtocolError) =>
      gateway.faults.push(({ url }) =>
        url === "/v1/jobs/close" && refusals-- > 0 ? { status: code.status, code } : undefined,
      );
    refusal(new ProtocolError("calls_running"));
    await expect(client.close(job)).resolves.toMatchObject({ jobId: job.jobId });
    expect(refusals).toBe(-1);

    refusals = 1;
    gateway.faults.length = 0;
    refusal(new ProtocolError("invalid_request"));
    await expect(client.close(job)).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("refuses inputs that do not fit the plan before anything is locked", async () => {
    const { client, gateway } = world;
    await expect(collect(client.run(testPlan, { draft: hello }))).rejects.toMatchObject({ param: "index" });
    await expect(
      collect(client.run(testPlan, { draft: hello, index: { input: "x" }, extra: {} })),
    ).rejects.toMatchObject({ param: "extra" });
    expect(gateway.seen).toHaveLength(0);
  });

  it("gives each call of a step its own Idempotency-Key", async () => {
    const { client, gateway } = world;
    await collect(client.run(testPlan, { draft: [hello, hello, hello], index: { input: "x" } }));
    const calls = gateway.seen.filter(({ path }) => path === "/v1/chat/completions");
    expect(new Set(calls.map(({ headers }) => headers[Header.idempotencyKey])).size).toBe(3);
  });
});
