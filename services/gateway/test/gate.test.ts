import { connect } from "node:tls";
import { Capability, DpopProof, HolderKey, UsageAuth } from "@tac/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bytesOf } from "../src/ledger/bytes.ts";
import { codeOf, outcomeOf } from "./support/answers.ts";
import { type Harness, startHarness, type TestJob } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import type { Sent } from "./support/TestCaller.ts";

let harness: Harness;
let job: TestJob;
beforeAll(async () => {
  harness = await startHarness();
  job = await harness.openJob();
});
afterEach(async () => {
  // Whatever was refused, nothing stays held and nothing reached the provider unheld.
  const { rows } = await harness.pool.query("SELECT job_id FROM jobs WHERE held_nano <> 0");
  expect(rows).toEqual([]);
  harness.reset();
});
afterAll(() => harness.stop());

const expectRefused = async (sent: Sent, status: number, code: string, by = job.by) => {
  const answer = await by.send(sent);
  expect([answer.status, codeOf(answer.text)], answer.text).toEqual([status, code]);
  expect(harness.provider.received).toEqual([]);
  return answer;
};

describe("a proof of possession (RFC 9449)", () => {
  test("is used once", async () => {
    const call = job.chat();
    const proof = job.by.proofFor(call);
    expect((await job.by.send({ ...call, proof })).status).toBe(200);
    harness.provider.received.length = 0;
    await expectRefused({ ...call, proof }, 401, "proof_replayed");
  });

  test("with another signature over the same content is still the same proof", async () => {
    const call = job.chat();
    const proof = job.by.proofFor(call);
    expect((await job.by.send({ ...call, proof })).status).toBe(200);
    harness.provider.received.length = 0;
    const { sign } = await import("node:crypto");
    const signingInput = proof.slice(0, proof.lastIndexOf("."));
    const key = { key: job.by.holder.privateKey, dsaEncoding: "ieee-p1363" as const };
    const again = sign("sha256", Buffer.from(signingInput), key).toString("base64url");
    await expectRefused({ ...call, proof: `${signingInput}.${again}` }, 401, "proof_replayed");
  });

  test("does not move to another connection", async () => {
    const other = await harness.caller(job.by.holder);
    const call = job.chat();
    await expectRefused({ ...call, proof: job.by.proofFor(call) }, 401, "binding_mismatch", other);
    expect((await other.send(call)).status).toBe(200);
  });

  test("forged, or for another connection, writes nothing", async () => {
    const used = async () =>
      (await harness.pool.query("SELECT FROM used_proofs WHERE job_id = $1", [bytesOf(job.jobId)])).rowCount;
    const before = await used();
    const proof = job.by.proofFor(job.chat());
    const forged = `${proof.slice(0, proof.lastIndexOf("."))}.${Buffer.alloc(64, 1).toString("base64url")}`;
    const elsewhere = await harness.caller(job.by.holder);
    expect(outcomeOf(await job.by.send({ ...job.chat(), proof: forged }))).toBe("invalid_proof");
    expect(outcomeOf(await elsewhere.send({ ...job.chat(), proof }))).toBe("binding_mismatch");
    expect(await used()).toBe(before);
    expect(outcomeOf(await job.by.send({ ...job.chat(), proof }))).toBe("ok");
    expect(outcomeOf(await job.by.send({ ...job.chat(), proof }))).toBe("proof_replayed");
  });

  test("does not move to another method, path, body or token", async () => {
    const call = job.chat();
    const other = await harness.openJob();
    await expectRefused(
      { ...call, proof: job.by.proofFor({ ...call, method: "GET" }) },
      401,
      "invalid_proof",
    );
    await expectRefused(
      { ...call, proof: job.by.proofFor({ ...call, path: "/v1/execute" }) },
      401,
      "invalid_proof",
    );
    await expectRefused({ ...call, proof: job.by.proofFor(job.chat({ n: 2 })) }, 401, "invalid_proof");
    await expectRefused(
      { ...call, proof: job.by.proofFor({ ...call, token: other.token }) },
      401,
      "invalid_proof",
    );
  });

  test("names its route as it is spelt: what no aggregator would take buys no call", async () => {
    for (const path of ["/v1/%63hat/completions", "/%76%31/chat/completions", "/v1/chat/completion%73?a=1"]) {
      await expectRefused({ ...job.chat(), path }, 401, "invalid_proof");
    }
    const read = { method: "GET" as const, token: job.token };
    expect((await job.by.send({ ...read, path: `/v1/jobs/${job.jobId}?a=%20` })).status).toBe(200);
    const respelt = await job.by.send({ ...read, path: `/v1/jobs/%30${job.jobId.slice(1)}` });
    expect([respelt.status, codeOf(respelt.text)]).toEqual([401, "invalid_proof"]);
  });

  test("must be by the holder of the capability", async () => {
    const thief = await harness.caller(HolderKey.generate());
    await expectRefused(job.chat(), 401, "invalid_proof", thief);
  });

  test("needs a fresh nonce, which every refusal carries", async () => {
    const call = job.chat();
    const answer = await expectRefused(
      { ...call, claims: { nonce: "no-nonce-of-ours" } },
      401,
      "use_dpop_nonce",
    );
    expect(answer.headers["www-authenticate"]).toBe('DPoP error="use_dpop_nonce", algs="ES256"');
    const nonce = String(answer.headers["dpop-nonce"]);
    expect((await job.by.send({ ...call, claims: { nonce } })).status).toBe(200);
  });

  test("must say what the caller will pay at most", async () => {
    await expectRefused({ ...job.chat(), maxCostNano: null }, 401, "invalid_proof");
    const call = job.chat();
    const needed = BigInt(Buffer.byteLength(JSON.stringify(call.body)) + 20);
    await expectRefused({ ...call, maxCostNano: needed - 1n }, 402, "over_max_cost");
    expect((await job.by.send({ ...call, maxCostNano: needed })).status).toBe(200);
  });

  test("too old, or from the future, is refused", async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const nowSeconds of [now - 90, now + 90]) {
      await expectRefused({ ...job.chat(), claims: { nowSeconds } }, 401, "invalid_proof");
    }
  });

  test("sent twice over is refused", async () => {
    const call = job.chat();
    const proof = job.by.proofFor(call);
    await expectRefused({ ...call, proof: `${proof}, ${proof}` }, 401, "invalid_proof");
  });

  test("without the weaker profile in the capability cannot leave the exporter out", async () => {
    const { jwk, privateKey } = job.by.holder;
    expect(HolderKey.thumbprint(jwk)).toBe(job.grant.capability.holder);
    const call = job.chat();
    const nonce = String((await job.by.send({ method: "GET", path: "/v1/nonce" })).headers["dpop-nonce"]);
    const proof = DpopProof.create(
      {
        method: "POST",
        url: `${harness.url}${call.path}`,
        nowSeconds: Math.floor(Date.now() / 1000),
        nonce,
        usageAuth: job.token,
        body: JSON.stringify(call.body),
        maxCostNano: 10_000n,
      },
      privateKey,
    );
    await expectRefused({ ...call, proof }, 401, "binding_mismatch");
  });
});

describe("a token", () => {
  test("is needed", async () => {
    await expectRefused({ ...job.chat(), token: null }, 401, "invalid_usage_auth");
  });

  test("must be issued by this gateway", async () => {
    const now = Math.floor(Date.now() / 1000);
    const forged = UsageAuth.issue(
      {
        tenant: job.grant.capability.tenant,
        expiresAt: now + 600,
        notBefore: now,
        issuedAt: now,
        tokenId: `0x${"11".repeat(16)}`,
        jwk: job.by.holder.jwk,
        capabilityHash: hex32(),
        jobId: job.jobId,
        providers: [1],
        models: ["chat-1"],
        remainingNano: 1n,
        binding: Capability.BINDING_EXPORTER,
        countersigned: false,
      },
      hex32(),
    );
    await expectRefused({ ...job.chat(), token: forged }, 401, "invalid_usage_auth");
  });

  test("shows its own job alone", async () => {
    const other = await harness.openJob();
    await expectRefused(
      { method: "GET", path: `/v1/jobs/${other.jobId}`, token: job.token },
      403,
      "wrong_job",
    );
    const answer = await other.by.send(other.chat());
    const receiptId = String(answer.headers["x-receipt-id"]);
    harness.provider.received.length = 0;
    const path = `/v1/receipts/${receiptId}`;
    await expectRefused({ method: "GET", path, token: job.token }, 404, "unknown_receipt");
    await expectRefused(
      { method: "GET", path: path.toUpperCase().replace("/V1/RECEIPTS", "/v1/receipts"), token: job.token },
      400,
      "invalid_request",
    );
  });
});

describe("a body", () => {
  const image = [
    { role: "user", content: [{ type: "image_url", image_url: { url: "https://example.com/x.png" } }] },
  ];
  test.each([
    ["an unquoted model", { model: "chat-other" }, 403, "model_not_allowed"],
    ["an unknown model", { model: "chat-9" }, 404, "unknown_model"],
    ["a padded model", { model: "chat-1 " }, 400, "invalid_request"],
    ["an embedding model", { model: "embed-1" }, 403, "model_not_allowed"],
    ["an image by reference", { messages: image }, 400, "cost_unbounded"],
    ["a built-in tool", { tools: [{ type: "web_search" }] }, 400, "cost_unbounded"],
    ["a base URL of its own", { api_base: "http://attacker" }, 400, "cost_unbounded"],
    ["a web search", { web_search_options: {} }, 400, "cost_unbounded"],
    ["two limits", { max_completion_tokens: 5 }, 400, "invalid_request"],
    ["a broken limit", { max_tokens: -1 }, 400, "invalid_request"],
    ["a fractional limit", { max_tokens: 1.5 }, 400, "invalid_request"],
    ["a limit above the model's", { max_tokens: 1_001 }, 400, "invalid_request"],
    ["no messages", { messages: [] }, 400, "invalid_request"],
  ])("with %s is refused", async (_name, extra, status, code) => {
    await expectRefused(job.chat(extra), status, code);
  });

  test("asking for n choices holds n times the output", async () => {
    const call = job.chat({ n: 3 });
    const inputBytes = Buffer.byteLength(JSON.stringify(call.body));
    const needed = BigInt(inputBytes + 60);
    await expectRefused({ ...call, maxCostNano: needed - 1n }, 402, "over_max_cost");
    expect((await job.by.send({ ...call, maxCostNano: needed })).status).toBe(200);
  });

  test("with a duplicate key cannot show the provider another limit", async () => {
    const rawBody =
      '{"model":"chat-1","messages":[{"role":"user","content":"hi"}],"max_tokens":900,"max_tokens":5}';
    const answer = await job.by.send({
      path: "/v1/chat/completions",
      rawBody,
      token: job.token,
      maxCostNano: 1_000n,
    });
    expect(answer.status, answer.text).toBe(200);
    expect(harness.provider.received[0]?.body.max_tokens).toBe(5);
  });

  test.each([
    "text/plain",
    "application/json\t",
    "application/json\t; charset=utf-8",
    "application/json x",
    "application/jsonx",
    "application/json; charset=latin1",
    "application/json, text/plain",
  ])("of type %j is not read", async (type) => {
    const call = { ...job.chat(), headers: { "content-type": type } };
    if (type.endsWith("\t")) {
      // The HTTP parser trims it, which leaves plain JSON.
      expect((await job.by.send(call)).status).toBe(200);
      return;
    }
    await expectRefused(call, 415, "unsupported_media_type");
  });

  test("that is no JSON object is refused", async () => {
    for (const rawBody of ["[]", "{", "null", '"x"']) {
      await expectRefused(
        { path: "/v1/chat/completions", rawBody, token: job.token, maxCostNano: 1_000n },
        400,
        "invalid_request",
      );
    }
  });
});

describe("the connection", () => {
  test("is TLS 1.3 or none", async () => {
    const { hostname, port } = new URL(harness.url);
    const socket = connect({
      host: hostname,
      port: Number(port),
      ca: harness.certificate.cert,
      maxVersion: "TLSv1.2",
    });
    const outcome = await new Promise((resolve) => {
      socket.once("error", (error) => resolve(error.message));
      socket.once("secureConnect", () => resolve("connected"));
    });
    socket.destroy();
    expect(outcome).not.toBe("connected");
  });
});
