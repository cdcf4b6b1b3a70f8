import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { awaitInvoice } from "../demo/awaitInvoice.ts";
import { aggregatorIds } from "../stack/layout.ts";
import { openTenant, runPlan, type StackOf } from "./support.ts";

export const aggregatorsFail = (stackOf: StackOf): void => {
  describe("aggregators are killed", () => {
    test.each(aggregatorIds)(
      "one of four (replica %i) at a random moment: the job still settles",
      async (id) => {
        const name = `aggregator-${id}` as const;
        const { credits } = await openTenant(stackOf());
        const killed = sleep(Math.random() * 4_000).then(() => stackOf().kill(name));
        const { job, costNano } = await runPlan(credits);
        await credits.close(job);
        await killed;

        await credits.settlement(job);
        const invoice = await awaitInvoice(credits, job);
        expect(invoice.totals.paidNano).toBe(costNano);
        await stackOf().restart(name);
        await credits.shutdown();
      },
    );

    test("two of four: nothing settles, nothing is lost, and it settles once one is back", async () => {
      const { credits } = await openTenant(stackOf());
      await stackOf().kill("aggregator-2");
      await stackOf().kill("aggregator-4");
      const { job, costNano } = await runPlan(credits);
      await credits.close(job);

      const waited = credits.settlement(job, { timeoutMs: 15_000 });
      await expect(waited).rejects.toMatchObject({ code: "not_settled" });
      expect(await credits.status(job)).toMatchObject({
        status: "closed",
        spentNano: costNano,
        settlements: [],
      });

      await stackOf().restart("aggregator-4");
      await credits.settlement(job);
      expect((await awaitInvoice(credits, job)).totals.paidNano).toBe(costNano);
      await stackOf().restart("aggregator-2");
      await credits.shutdown();
    });
  });
};
