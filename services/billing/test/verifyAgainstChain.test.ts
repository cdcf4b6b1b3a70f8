import { describe, expect, test } from "vitest";
import type { ProblemCode } from "../src/verify/Problem.ts";
import { verifyInvoice } from "../src/verify/verifyInvoice.ts";
import { invoiceJson, verifyIn } from "./invoiceJson.ts";
import { createMemoryChain } from "./memoryChain.ts";
import { createWorld, deployment, name32 } from "./world.ts";

const world = createWorld();

describe("the chain's side", () => {
  test("another issuer than the expected one is refused", async () => {
    const result = await verifyInvoice(invoiceJson(world), {
      reader: createMemoryChain(world.state),
      deployment,
      expectedIssuer: deployment.asset,
    });
    expect(result.problems).toMatchObject([{ code: "unexpected_issuer" }]);
  });

  test.each<{ name: string; change: (changed: typeof world) => void; code: ProblemCode }>([
    {
      name: "a gateway nobody enrolled",
      change: ({ state }) => state.gateways.clear(),
      code: "gateway_not_enrolled",
    },
    {
      name: "a gateway removed before the call",
      change: ({ state }) => {
        for (const term of state.gateways.values()) term.removedAt = term.enrolledAt + 1;
      },
      code: "gateway_not_enrolled",
    },
    {
      name: "a tariff that was never published",
      change: ({ state }) => {
        state.events = state.events.filter(({ name }) => name !== "TariffPublished");
      },
      code: "tariff_not_published",
    },
    {
      name: "a job that is still open",
      change: ({ state }) => state.closedJobs.clear(),
      code: "job_not_final",
    },
    {
      name: "a node of another chain",
      change: ({ state }) => {
        state.chainId = 1;
      },
      code: "wrong_chain",
    },
    {
      name: "a batch that was never committed",
      change: ({ state }) => {
        state.events = state.events.filter(({ transactionHash }) => transactionHash !== name32("submit 2"));
      },
      code: "transaction_not_found",
    },
    {
      name: "a lock that was never made",
      change: ({ state }) => {
        state.events = state.events.filter(({ name }) => name !== "Locked");
      },
      code: "lock_not_on_chain",
    },
    {
      name: "a release the invoice does not know",
      change: ({ state, jobId, locked }) => {
        state.events.push({
          name: "Released",
          transactionHash: name32("release"),
          blockNumber: 60n,
          logIndex: 0,
          jobId,
          tenant: locked.tenant,
          releasedNano: 1n,
        });
      },
      code: "missing_release",
    },
  ])("$name is found", async ({ change, code }) => {
    const changed = createWorld();
    const json = invoiceJson(changed);
    change(changed);
    const { valid, problems } = await verifyIn(changed, json);
    expect(valid).toBe(false);
    expect(problems.map((problem) => problem.code)).toContain(code);
  });

  test("a chain that does not answer is an error, never a verdict", async () => {
    const reader = createMemoryChain(world.state);
    const broken = { ...reader, lockOf: () => Promise.reject(new Error("down")) };
    await expect(verifyInvoice(invoiceJson(world), { reader: broken, deployment })).rejects.toThrow("down");
  });
});
