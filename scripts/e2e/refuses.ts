import { ProtocolError, Quote } from "@tac/protocol";
import { createClient, type Job } from "@tac/sdk";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { plan } from "../demo/plan.ts";
import { urlOf } from "../stack/urlOf.ts";
import { openTenant, type StackOf, type TenantSession } from "./support.ts";

type Refusal = { status: number; code: string; type: string; message: string };

export const refuses = (stackOf: StackOf): void => {
  describe("bad input is refused with its status and code, and no hold is left", () => {
    let tenant: TenantSession;
    let job: Job;

    beforeAll(async () => {
      tenant = await openTenant(stackOf());
      job = await tenant.credits.lock(await tenant.credits.quote(plan));
    });
    afterEach(async () => {
      const { heldNano, spentNano, receipts } = await tenant.credits.status(job);
      expect({ heldNano, spentNano, receipts }).toEqual({ heldNano: 0n, spentNano: 0n, receipts: 0n });
    });

    const post = async (path: string, body: string, ofJob = job, maxCostNano?: bigint): Promise<Refusal> => {
      const url = `${urlOf(stackOf().layout, "gateway")}${path}`;
      const send = tenant.credits.fetch(ofJob, maxCostNano === undefined ? {} : { maxCostNano });
      const response = await send(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      const { error } = (await response.json()) as { error: Omit<Refusal, "status"> };
      expect(response.headers.get("x-request-id")).toBeTruthy();
      return { ...error, status: response.status };
    };
    const chat = (fields: object): string =>
      JSON.stringify({ model: "sim-chat-small", messages: [{ role: "user", content: "hi" }], ...fields });
    const codeOf = async (refused: Promise<unknown>): Promise<{ code: string; status: number }> => {
      const error = await refused.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!(error instanceof ProtocolError))
        throw new Error(`expected a ProtocolError, got ${String(error)}`);
      return { code: error.code, status: error.status };
    };

    test("malformed JSON: 400 invalid_request", async () => {
      expect(await post("/v1/chat/completions", "{not json")).toMatchObject({
        status: 400,
        code: "invalid_request",
      });
    });
    test("a body without messages: 400 invalid_request", async () => {
      const refusal = await post("/v1/chat/completions", JSON.stringify({ model: "sim-chat-small" }));
      expect(refusal).toMatchObject({ status: 400, code: "invalid_request" });
    });
    test("unknown model: 404 unknown_model", async () => {
      const refusal = await post("/v1/chat/completions", chat({ model: "no-such-model" }));
      expect(refusal).toMatchObject({ status: 404, code: "unknown_model" });
    });
    test("a model the capability's quote does not hold: 403 model_not_allowed", async () => {
      const refusal = await post("/v1/chat/completions", chat({ model: "sim-chat-large", max_tokens: 1 }));
      expect(refusal).toMatchObject({ status: 403, code: "model_not_allowed" });
    });
    test("a call above the ceiling: 402 credit_exhausted", async () => {
      const refusal = await post("/v1/chat/completions", chat({ max_tokens: 16_000 }));
      expect(refusal).toMatchObject({ status: 402 });
    });
    test("a call above what the caller signed for it: 402 over_max_cost", async () => {
      const refusal = await post("/v1/chat/completions", chat({ max_tokens: 100 }), job, 10n);
      expect(refusal).toMatchObject({ status: 402, code: "over_max_cost" });
    });
    test("a token of another job: 403 wrong_job", async () => {
      const other = await tenant.credits.lock(await tenant.credits.quote(plan));
      const response = await tenant.credits.fetch(other)(
        `${urlOf(stackOf().layout, "gateway")}/v1/jobs/${job.jobId}`,
      );
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ error: { code: "wrong_job" } });
      await tenant.credits.close(other);
    });
    test("a capability for another quote: 409 quote_mismatch", async () => {
      const quoted = await tenant.credits.quote(plan);
      const refused = tenant.credits.lock({ ...job, signedQuote: quoted.signedQuote, lock: null });
      expect(await codeOf(refused)).toEqual({ code: "quote_mismatch", status: 409 });
    });
    test("an expired quote: 409 quote_expired", async () => {
      const { deployment, keys } = stackOf();
      const { signedQuote } = await tenant.credits.quote(plan);
      const nowSeconds = BigInt(Math.floor(Date.now() / 1000));
      const quote = { ...signedQuote.quote, issuedAt: nowSeconds - 900n, expiresAt: nowSeconds - 600n };
      const domain = { chainId: deployment.chainId, verifyingContract: deployment.capabilityAuthority };
      const stale: Quote.SignedQuote = {
        ...signedQuote,
        quote,
        signature: Quote.sign(quote, domain, keys.tariff.privateKey),
      };
      const quoteHash = Quote.hash(quote, domain);
      expect(
        await codeOf(tenant.credits.lock({ tenant: job.tenant, quoteHash, signedQuote: stale })),
      ).toEqual({
        code: "quote_expired",
        status: 409,
      });
    });
    test("a plan for an unknown model: 404 unknown_model", async () => {
      const [step] = plan.steps;
      if (step === undefined) throw new Error("The plan has no step.");
      const refused = tenant.credits.quote({ steps: [{ ...step, model: "no-such-model" }] });
      expect(await codeOf(refused)).toEqual({ code: "unknown_model", status: 404 });
    });
    test("a stranger's holder key on the same job: refused before anything is held", async () => {
      const { deployment, certificates, layout } = stackOf();
      const stranger = createClient({
        gatewayUrl: urlOf(layout, "gateway"),
        deployment,
        tenant: tenant.account,
        ca: certificates.ca,
      });
      const attempt = Promise.resolve()
        .then(() =>
          stranger.fetch(job)(`${urlOf(layout, "gateway")}/v1/chat/completions`, {
            method: "POST",
            body: chat({}),
          }),
        )
        .then((response) =>
          response.ok ? undefined : Promise.reject(new Error(`status ${response.status}`)),
        );
      await expect(attempt).rejects.toThrow();
      await stranger.shutdown();
    });
  });
};
