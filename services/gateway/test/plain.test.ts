import { Capability } from "@tac/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "./support/answers.ts";
import { grantBody, makeGrant } from "./support/grants.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";

let harness: Harness;
beforeAll(async () => {
  const rateLimits = { perIpPerMinute: 40, perJobPerMinute: 5, quotesPerMinute: 3 };
  harness = await startHarness({ tls: null, rateLimits }, "none");
});
afterAll(() => harness.stop());

describe("a gateway on plain HTTP", () => {
  test("takes capabilities of the nonce-only profile, and no others", async () => {
    const job = await harness.openJob({ binding: Capability.BINDING_NONCE });
    expect(job.answer.status, job.answer.text).toBe(200);
    expect((await job.by.send(job.chat())).status).toBe(200);

    const grant = makeGrant(job.by.holder.jwk, hex32());
    const refused = await job.by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
    expect([refused.status, codeOf(refused.text)]).toEqual([403, "binding_unsupported"]);
  });

  test("sends no call of a job that demands countersignatures to a provider that gives none", async () => {
    const job = await harness.openJob({ binding: Capability.BINDING_NONCE, countersigned: true });
    harness.provider.received.length = 0;
    const answer = await job.by.send(job.chat());
    expect([answer.status, codeOf(answer.text)]).toEqual([403, "provider_not_allowed"]);
    expect(harness.provider.received).toEqual([]);
  });

  test("limits quotes by themselves, whether they were given or not", async () => {
    const by = await harness.caller();
    const ask = () => by.send({ path: "/v1/jobs/quote", body: {} });
    const answers = [];
    for (let index = 0; index < 4; index += 1) answers.push(await ask());
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 429]);
    expect(codeOf(answers.at(-1)?.text ?? "")).toBe("rate_limited");
    expect((await by.send({ method: "GET", path: "/v1/models" })).status).toBe(200);
  });

  test("limits a job, then an address, each with Retry-After", async () => {
    const job = await harness.openJob({ binding: Capability.BINDING_NONCE });
    const answers = [];
    for (let index = 0; index < 6; index += 1) answers.push(await job.by.send(job.chat()));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    expect(codeOf(answers.at(-1)?.text ?? "")).toBe("rate_limited");
    expect(Number(answers.at(-1)?.headers["retry-after"])).toBeGreaterThan(0);

    const other = await harness.openJob({ binding: Capability.BINDING_NONCE });
    expect((await other.by.send(other.chat())).status).toBe(200);
    let last = await other.by.send({ method: "GET", path: "/v1/models" });
    for (let index = 0; index < 40 && last.status === 200; index += 1) {
      last = await other.by.send({ method: "GET", path: "/v1/models" });
    }
    expect([last.status, codeOf(last.text)]).toEqual([429, "rate_limited"]);
    expect(Number(last.headers["retry-after"])).toBeGreaterThan(0);
  });
});
