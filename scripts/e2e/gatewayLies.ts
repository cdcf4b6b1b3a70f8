import { randomBytes } from "node:crypto";
import { Deployment, DpopProof, FeedEvent, HolderKey, UsageReceipt, Wire } from "@tac/protocol";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { awaitInvoice } from "../demo/awaitInvoice.ts";
import { inputs, plan } from "../demo/plan.ts";
import { aggregatorIds } from "../stack/layout.ts";
import type { Stack } from "../stack/Stack.ts";
import { getJson, openTenant, type StackOf } from "./support.ts";

type Rejection = { seq: string; code: string; reason: string };

/** Does what a dishonest gateway would: chains an event of its own making behind the last one of its feed. */
const forgeEvent = async (
  stack: Stack,
  forge: (last: FeedEvent.FeedEvent & { kind: "usage" }) => FeedEvent.Usage,
): Promise<bigint> => {
  const client = new pg.Client(stack.databaseUrl("gateway"));
  await client.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT 1 FROM feed_heads FOR UPDATE");
    const { rows } = await client.query<{ event: unknown }>(
      "SELECT event FROM feed_events ORDER BY seq DESC LIMIT 1",
    );
    const last = Wire.parse(FeedEvent.schema, rows[0]?.event);
    if (last.kind !== "usage") throw new Error(`The last event is ${last.kind}.`);
    const { gateway, seq, recordedAtMs } = last;
    const event = FeedEvent.create({
      gateway,
      seq: seq + 1n,
      recordedAtMs: recordedAtMs + 1n,
      previousHash: last.hash,
      kind: "usage",
      body: forge(last),
    });
    const bytes = (hex: string): Buffer => Buffer.from(hex.slice(2), "hex");
    await client.query("SELECT feed_append($1, $2, $3, $4, $5)", [
      bytes(gateway),
      String(seq),
      String(event.recordedAtMs),
      JSON.stringify([FeedEvent.toJson(event)]),
      [bytes(event.hash)],
    ]);
    await client.query("COMMIT");
    return event.seq;
  } finally {
    await client.end();
  }
};

export const gatewayLies = (stackOf: StackOf): void => {
  describe("a gateway puts a receipt with a wrong price into its feed", () => {
    test("every aggregator refuses it for its price, none signs it, and the honest rest settles", async () => {
      const stack = stackOf();
      const { credits } = await openTenant(stack);
      const holder = HolderKey.generate();
      const job = await credits.lock(await credits.quote(plan), undefined, { holder });
      let honestNano = 0n;
      for await (const event of credits.run(job, inputs))
        if (event.type === "done") honestNano = event.costNano;

      const domain = Deployment.domains(stack.deployment).usageReceipts;
      const forgedId = Wire.toHex(randomBytes(32));
      const seq = await forgeEvent(stack, ({ body }) => {
        const nowSeconds = Math.floor(Date.now() / 1000);
        const claims = DpopProof.parse(body.proof).claims;
        const proof = DpopProof.create(
          {
            method: "POST",
            url: claims.htu,
            nowSeconds,
            usageAuth: body.usageAuth,
            body: "",
            maxCostNano: 10n ** 9n,
          },
          holder.privateKey,
        );
        const receipt: UsageReceipt.UsageReceipt = {
          ...body.receipt,
          receiptId: forgedId,
          requestHash: `0x${Buffer.from(DpopProof.bodyHash(""), "base64url").toString("hex")}`,
          proofHash: DpopProof.proofHash(proof),
          costNano: body.receipt.costNano + 1n,
          countersigned: false,
        };
        const receiptSignature = UsageReceipt.sign(receipt, domain, stack.keys.gateway.privateKey);
        return { receipt, receiptSignature, proof, usageAuth: body.usageAuth, usageReport: null };
      });

      for (const id of aggregatorIds)
        await expect
          .poll(
            async () =>
              (await getJson<Rejection[]>(stack, `aggregator-${id}`, "/v1/rejections")).find(
                (rejection) => BigInt(rejection.seq) === seq,
              )?.code,
            { timeout: 20_000, interval: 300 },
          )
          .toMatch(/price|cost/);

      await credits.close(job);
      await credits.settlement(job);
      const invoice = await awaitInvoice(credits, job);
      expect(invoice.totals.paidNano).toBe(honestNano);
      expect(invoice.lines.map(({ receipt }) => receipt.receiptId)).not.toContain(forgedId);
      await credits.shutdown();
    });
  });
};
