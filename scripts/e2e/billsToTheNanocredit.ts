import { createChainReader, verifyInvoice } from "@tac/billing";
import { Invoice } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { awaitInvoice } from "../demo/awaitInvoice.ts";
import { readBalances, sumEvents } from "../demo/ledgers.ts";
import { plan } from "../demo/plan.ts";
import { reconcile } from "../demo/reconcile.ts";
import { openTenant, runPlan, type StackOf } from "./support.ts";

export const billsToTheNanocredit = (stackOf: StackOf): void => {
  describe("a job of two steps", () => {
    test("is settled, billed and verified, and invoice, events and balances agree to the nanocredit", async () => {
      const { chain, deployment } = stackOf();
      const { account, credits } = await openTenant(stackOf());
      const before = await readBalances(chain.client, deployment, account.address, null);

      const { job, costNano } = await runPlan(credits);
      await credits.close(job);
      const status = await credits.settlement(job);
      const invoice = await awaitInvoice(credits, job);

      const after = await readBalances(chain.client, deployment, account.address, job.jobId);
      const events = await sumEvents(chain.client, deployment, job.jobId, after.blockNumber);
      const { maxSpendNano } = job.capability;
      const unequal = reconcile({ invoice, before, after, events, maxSpendNano }).filter(
        ({ equal }) => !equal,
      );
      expect(unequal).toEqual([]);
      expect(invoice.totals.subtotalNano).toBe(costNano);
      expect(status.spentNano).toBe(costNano);
      expect(costNano).toBeGreaterThan(0n);
      expect(invoice.lines).toHaveLength(2);
      expect(invoice.lines.every(({ receipt }) => receipt.countersigned)).toBe(true);
      for (const { signers } of invoice.batches) expect(signers.length).toBeGreaterThanOrEqual(3);

      const reader = createChainReader({ rpcUrls: [chain.rpcUrl], deployment });
      const { problems } = await verifyInvoice(Invoice.toJson(invoice), { reader, deployment });
      expect(problems).toEqual([]);
      await credits.shutdown();
    });

    test("that made no call gives the whole lock back, and its invoice is over nothing", async () => {
      const { chain, deployment } = stackOf();
      const { account, credits } = await openTenant(stackOf());
      const before = await readBalances(chain.client, deployment, account.address, null);

      const job = await credits.lock(await credits.quote(plan));
      await credits.close(job);
      await credits.settlement(job);
      const invoice = await awaitInvoice(credits, job);

      const after = await readBalances(chain.client, deployment, account.address, job.jobId);
      expect(after).toMatchObject({ tenantFreeNano: before.tenantFreeNano, lockedNano: 0n });
      expect(invoice.lines).toEqual([]);
      expect(invoice.totals).toMatchObject({ totalNano: 0n, releasedNano: job.capability.maxSpendNano });
      await credits.shutdown();
    });
  });
};
