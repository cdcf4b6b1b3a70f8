import { describe, expect, test } from "vitest";
import { awaitInvoice } from "../demo/awaitInvoice.ts";
import { plan } from "../demo/plan.ts";
import { urlOf } from "../stack/urlOf.ts";
import { openTenant, type StackOf } from "./support.ts";

export const gatewayDies = (stackOf: StackOf): void => {
  describe("the gateway is killed in the middle of a stream", () => {
    test("after its restart no hold is left, and the job settles what was charged", async () => {
      const { credits } = await openTenant(stackOf());
      const job = await credits.lock(await credits.quote(plan));
      const send = credits.fetch(job);
      const response = await send(`${urlOf(stackOf().layout, "gateway")}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          model: "sim-chat-small",
          stream: true,
          max_tokens: 300,
          metadata: { "x-sim-output-tokens": "300", "x-sim-token-latency-ms": "100" },
          messages: [{ role: "user", content: "Count slowly." }],
        }),
      });
      const reader = response.body?.getReader();
      await reader?.read();
      await stackOf().kill("gateway");
      await expect(async () => {
        while ((await reader?.read())?.done === false);
      }).rejects.toThrow();

      await stackOf().restart("gateway");
      await expect
        .poll(async () => (await credits.status(job)).heldNano, { timeout: 30_000, interval: 500 })
        .toBe(0n);
      const { spentNano } = await credits.status(job);
      expect(spentNano).toBeLessThanOrEqual(job.capability.maxSpendNano);
      await credits.close(job);
      await credits.settlement(job);
      expect((await awaitInvoice(credits, job)).totals.paidNano).toBe(spentNano);
      await credits.shutdown();
    });
  });
};
