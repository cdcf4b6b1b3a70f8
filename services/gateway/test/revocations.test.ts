import { setTimeout as sleep } from "node:timers/promises";
import { type Broadcast, createBroadcast } from "@tac/kit";
import { Revocation, RevocationList, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Gateway } from "../src/createGateway.ts";
import { bytesOf } from "../src/ledger/bytes.ts";
import { RevocationStore } from "../src/revocation/RevocationStore.ts";
import { feedOf } from "./support/feedOf.ts";
import { grantBody, makeGrant } from "./support/grants.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { domains, gatewayAddress } from "./support/identities.ts";
import type { Answer, TestCaller } from "./support/TestCaller.ts";
import { answerUsual, chunkOf, DONE, usageChunk } from "./support/TestProvider.ts";

const MAX_AGE_MS = 3_000;

let harness: Harness;
let channel: Broadcast;
let replica: Gateway;
let connectUrl: string;
let isCut = false;
beforeAll(async () => {
  harness = await startHarness({ chainMaxAgeMs: MAX_AGE_MS });
  channel = createBroadcast({
    databaseUrl: harness.databaseUrl,
    namespace: gatewayAddress,
    onError: () => undefined,
  });
  const cuttable: Broadcast = {
    ...channel,
    subscribe: (topic, listener) =>
      channel.subscribe(topic, (payload) => {
        if (!isCut) listener(payload);
      }),
  };
  ({ replica, connectUrl } = await harness.startReplica("replica-2", harness.pool, undefined, cuttable));
});
afterEach(() => {
  isCut = false;
  harness.chain.refusesRevocations = null;
  harness.reset();
});
afterAll(async () => {
  await replica.app.close();
  await replica.stop();
  await channel.close();
  await harness.stop();
});

type TestJob = Awaited<ReturnType<Harness["openJob"]>>;

const nowSeconds = () => BigInt(Math.floor(Date.now() / 1000));
const codeOf = ({ status, text }: Answer) =>
  status === 200 ? "ok" : (JSON.parse(text) as { error: { code: string } }).error.code;
const parsed = ({ status, text }: Answer) => {
  expect(status, text).toBe(200);
  return JSON.parse(text) as { jobIds: Hex[]; revokedAtMs: string; chain: string };
};
const signedOne = (
  { grant }: Pick<TestJob, "grant">,
  { deadline = nowSeconds() + 60n, key = grant.tenantKey } = {},
) => {
  const { tenant, salt } = grant.capability;
  const revocation = { tenant, salt, deadline };
  return {
    revocation: Revocation.toJson(revocation),
    signature: Revocation.sign(revocation, domains.capability, key),
  };
};
const signedAll = (
  { grant }: Pick<TestJob, "grant">,
  { revokedAt = nowSeconds(), key = grant.tenantKey, deadline = nowSeconds() + 60n } = {},
) => {
  const order = { tenant: grant.capability.tenant, revokedAt, deadline };
  return {
    revokeAll: Revocation.allToJson(order),
    signature: Revocation.signAll(order, domains.capability, key),
  };
};
const post = async (body: unknown): Promise<Answer> =>
  (await harness.caller()).send({ path: "/v1/revocations", body });
const storedCount = async (jobId: Hex): Promise<number> => {
  const { rows } = await harness.pool.query<{ count: bigint }>(
    "SELECT count(*) FROM revocations WHERE job_id = $1",
    [bytesOf(jobId)],
  );
  return Number(rows[0]?.count);
};
const taskOf = async (jobId: Hex): Promise<string | null | undefined> => {
  const { rows } = await harness.pool.query<{ outcome: string | null }>(
    "SELECT outcome FROM revocation_tasks WHERE job_id = $1",
    [bytesOf(jobId)],
  );
  return rows[0]?.outcome;
};

describe("a tenant's signed revocation of one capability", () => {
  test("stops its calls on every replica and no other job's, and reaches the chain", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    const elsewhere = await harness.caller(job.by.holder, { connectUrl });
    expect((await elsewhere.send(job.chat())).status).toBe(200);
    const sentAtMs = Date.now();
    const answer = parsed(await post(signedOne(job)));
    expect(answer).toMatchObject({ jobIds: [job.jobId], chain: "gateway" });
    expect(Number(answer.revokedAtMs)).toBeGreaterThanOrEqual(sentAtMs);
    harness.provider.received.length = 0;
    for (const by of [job.by, elsewhere])
      expect(codeOf(await by.send(job.chat()))).toBe("capability_revoked");
    expect(harness.provider.received).toEqual([]);
    expect(codeOf(await other.by.send(other.chat()))).toBe("ok");
    await expect.poll(() => taskOf(job.jobId), { timeout: 5_000 }).toBe("done");
    expect(harness.chain.revocations.filter(({ jobId }) => jobId === job.jobId)).toHaveLength(1);
  });

  test("said again changes nothing", async () => {
    const job = await harness.openJob();
    const body = signedOne(job);
    const first = await post(body);
    const again = await post(body);
    expect(parsed(again)).toEqual(parsed(first));
    expect(await storedCount(job.jobId)).toBe(1);
    await expect.poll(() => taskOf(job.jobId), { timeout: 5_000 }).toBe("done");
    expect(parsed(await post(signedOne(job, { deadline: nowSeconds() + 600n })))).toEqual(parsed(first));
    expect(harness.chain.revocations.filter(({ jobId }) => jobId === job.jobId)).toHaveLength(1);
  });

  test.each<[string, number, string, (job: TestJob) => object]>([
    ["signed by another", 401, "invalid_signature", (job) => signedOne(job, { key: hex32() })],
    [
      "handed in too late",
      401,
      "invalid_signature",
      (job) => signedOne(job, { deadline: nowSeconds() - 1n }),
    ],
    [
      "with another deadline than was signed",
      401,
      "invalid_signature",
      (job) => ({
        ...signedOne(job),
        revocation: { ...signedOne(job).revocation, deadline: String(nowSeconds() + 999n) },
      }),
    ],
    [
      "of a job that is not here",
      404,
      "unknown_job",
      (job) => signedOne({ grant: makeGrant(job.by.holder.jwk, job.grant.tenantKey) }),
    ],
    [
      "by a tenant whose job it is not",
      404,
      "unknown_job",
      (job) => {
        const stranger = hex32();
        const revocation = {
          tenant: Wire.privateKeyToAddress(stranger),
          salt: job.grant.capability.salt,
          deadline: nowSeconds() + 60n,
        };
        const signature = Revocation.sign(revocation, domains.capability, stranger);
        return { revocation: Revocation.toJson(revocation), signature };
      },
    ],
    ["without a signature", 400, "invalid_request", (job) => ({ revocation: signedOne(job).revocation })],
  ])("%s is refused", async (_what, status, code, bodyOf) => {
    const job = await harness.openJob();
    const answer = await post(bodyOf(job));
    expect([answer.status, codeOf(answer)], answer.text).toEqual([status, code]);
    expect(await storedCount(job.jobId)).toBe(0);
    expect(await taskOf(job.jobId)).toBeUndefined();
    expect(codeOf(await job.by.send(job.chat()))).toBe("ok");
  });

  test("is taken from a tenant that is a contract, when the contract says so", async () => {
    const job = await harness.openJob();
    const body = signedOne(job, { key: hex32() });
    const { tenant, salt } = job.grant.capability;
    const revocation = { tenant, salt, deadline: BigInt(body.revocation.deadline) };
    harness.chain.accountSignatures.set(tenant, Revocation.hash(revocation, domains.capability));
    expect(parsed(await post(body)).jobIds).toEqual([job.jobId]);
    expect(codeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
  });

  test("waits for a chain that is away, and is kept when the chain refuses it", async () => {
    const job = await harness.openJob();
    harness.chain.refusesRevocations = "chain_unavailable";
    parsed(await post(signedOne(job)));
    await sleep(1_500);
    expect(await taskOf(job.jobId)).toBeNull();
    harness.chain.refusesRevocations = "invalid_signature";
    await harness.pool.query("UPDATE revocation_tasks SET due_at_ms = 0 WHERE job_id = $1", [
      bytesOf(job.jobId),
    ]);
    await expect.poll(() => taskOf(job.jobId), { timeout: 5_000 }).toMatch(/^refused/);
    expect(codeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
    harness.chain.refusesRevocations = null;
    parsed(await post(signedOne(job, { deadline: nowSeconds() + 600n })));
    await expect.poll(() => taskOf(job.jobId), { timeout: 5_000 }).toBe("done");
  });
});

describe("calls that run while their capability is revoked", () => {
  const beginStream = async (job: TestJob) => {
    let finish = () => {};
    const isOver = new Promise<void>((resolve) => {
      finish = resolve;
    });
    harness.provider.answer = async (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(chunkOf("early "));
      await isOver;
      response.end(chunkOf("late") + usageChunk(10, 2) + DONE);
    };
    const { body } = await job.by.begin(job.chat({ stream: true }));
    harness.provider.answer = answerUsual;
    return { text: body.text(), finish };
  };

  test("by a signature end first, and settle before it goes on chain", async () => {
    const job = await harness.openJob();
    const { text, finish } = await beginStream(job);
    parsed(await post(signedOne(job, { deadline: nowSeconds() + 600n })));
    const again = await harness.caller(job.by.holder);
    expect(codeOf(await again.send(job.chat()))).toBe("capability_revoked");
    await sleep(1_500);
    expect(await taskOf(job.jobId)).toBeNull();
    const store = new RevocationStore(harness.pool, Date.now);
    const waiting = await store.openTaskCount();
    finish();
    expect(await text).toContain("late");
    await expect.poll(() => taskOf(job.jobId), { timeout: 6_000 }).toBe("done");
    expect(await store.openTaskCount()).toBe(waiting - 1);
    expect((await harness.audit(job.jobId)).balances.get("provider:1")).toBe(12n);
  });

  test.each([
    ["alone", false],
    ["with all of its tenant's", true],
  ])("on chain %s are broken off, and what was delivered is charged", async (_what, isOfAll) => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    const { tenant } = job.grant.capability;
    const stream = await beginStream(job);
    const untouched = await beginStream(other);
    harness.chain.revoke(tenant, isOfAll ? null : job.jobId, Number(nowSeconds()));
    const text = await stream.text;
    expect(text).toContain("early");
    expect(text).not.toContain("late");
    expect(text).toContain('"code":"capability_revoked"');
    const { balances, problems } = await harness.audit(job.jobId);
    expect([balances.get("held") ?? 0n, problems]).toEqual([0n, []]);
    expect(balances.get("provider:1")).toBeGreaterThan(0n);
    untouched.finish();
    expect(await untouched.text).toContain("late");
    stream.finish();
  });

  test.each([
    ["an answer", false],
    ["the first event of a stream", true],
  ])("on chain, before %s has come, cost nothing, and say why", async (_what, isStream) => {
    const job = await harness.openJob();
    harness.provider.answer = (_received, response) => {
      if (isStream) response.writeHead(200, { "content-type": "text/event-stream" }).write(": wait\n\n");
    };
    const call = job.by.send(job.chat({ stream: isStream }));
    await expect.poll(() => harness.provider.received.length).toBeGreaterThan(0);
    harness.chain.revoke(job.grant.capability.tenant, job.jobId, Number(nowSeconds()));
    expect((await call).text).toContain('"code":"capability_revoked"');
    expect((await harness.audit(job.jobId)).balances.get("available")).toBe(100_000n);
    const { rows } = await harness.pool.query("SELECT state, outcome FROM calls WHERE job_id = $1", [
      bytesOf(job.jobId),
    ]);
    expect(rows).toEqual([{ state: "released", outcome: "capability_revoked" }]);
  });
});

describe("a tenant's signed revocation of all", () => {
  test("stops every job valid by then, and a job locked later with an earlier capability", async () => {
    const job = await harness.openJob();
    const held = makeGrant(job.by.holder.jwk, job.grant.tenantKey);
    const answer = parsed(await post(signedAll(job)));
    expect(answer).toMatchObject({ jobIds: [job.jobId], chain: "tenant" });
    expect(codeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
    const late = await job.by.send({ path: "/v1/jobs/lock", body: grantBody(held) });
    expect(late.status, late.text).toBe(200);
    expect(JSON.parse(late.text)).toMatchObject({ endedBy: "capability_revoked" });
    const fresh = makeGrant(job.by.holder.jwk, job.grant.tenantKey);
    await sleep(1_000);
    fresh.capability.validAfter = nowSeconds();
    const later = await job.by.send({ path: "/v1/jobs/lock", body: grantBody(fresh) });
    expect(JSON.parse(later.text)).toMatchObject({ endedBy: null });
  });

  test.each<[string, string, (job: TestJob) => object]>([
    ["signed by another", "invalid_signature", (job) => signedAll(job, { key: hex32() })],
    ["from the future", "invalid_request", (job) => signedAll(job, { revokedAt: nowSeconds() + 60n })],
    ["handed in too late", "invalid_signature", (job) => signedAll(job, { deadline: nowSeconds() - 1n })],
    [
      "with no end that a date could have",
      "invalid_request",
      (job) => signedAll(job, { deadline: 2n ** 63n }),
    ],
  ])("%s is refused", async (_what, code, bodyOf) => {
    const job = await harness.openJob();
    expect(codeOf(await post(bodyOf(job)))).toBe(code);
    expect(codeOf(await job.by.send(job.chat()))).toBe("ok");
  });

  test("is kept once, in its latest form, and never for a stranger", async () => {
    const countOf = async (tenant: Hex): Promise<number> => {
      const { rows } = await harness.pool.query("SELECT FROM tenant_revocations WHERE tenant = $1", [
        bytesOf(tenant),
      ]);
      return rows.length;
    };
    const job = await harness.openJob();
    const { tenant } = job.grant.capability;
    const revokedAt = job.grant.capability.validAfter - 10n;
    for (const earlierBy of [0n, 1n, 2n, 0n]) {
      expect(parsed(await post(signedAll(job, { revokedAt: revokedAt - earlierBy }))).jobIds).toEqual([]);
    }
    expect(await countOf(tenant)).toBe(1);

    const stranger = { grant: makeGrant(job.by.holder.jwk, hex32()) };
    expect(codeOf(await post(signedAll(stranger)))).toBe("unknown_job");
    expect(await countOf(stranger.grant.capability.tenant)).toBe(0);
    harness.chain.balances.set(stranger.grant.capability.tenant, 1n);
    expect(parsed(await post(signedAll(stranger))).jobIds).toEqual([]);
    expect(await countOf(stranger.grant.capability.tenant)).toBe(1);
  });

  test("on chain is written into the locks that are open", async () => {
    const job = await harness.openJob();
    harness.chain.revoke(job.grant.capability.tenant, null, Number(nowSeconds()));
    await expect.poll(() => harness.chain.appliedJobIds, { timeout: 5_000 }).toContain(job.jobId);
    expect(await taskOf(job.jobId)).toBe("done");
    expect(codeOf(await job.by.send(job.chat()))).toBe("capability_revoked");
  });
});

describe("a holder's revocation of its own capability", () => {
  const revoke = (job: TestJob, by: TestCaller = job.by, jobId = job.jobId) =>
    by.send({ path: "/v1/revocations", body: { jobId }, token: job.token });

  test("stops its calls, and ends the job in the feed once the last call has ended", async () => {
    const job = await harness.openJob();
    let finish = () => {};
    const isOver = new Promise<void>((resolve) => {
      finish = resolve;
    });
    harness.provider.answer = async (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(chunkOf("early "));
      const keepAlive = setInterval(() => response.write(": keep-alive\n\n"), 200);
      await isOver;
      clearInterval(keepAlive);
      response.end(usageChunk(10, 2) + DONE);
    };
    const { body } = await job.by.begin(job.chat({ stream: true }));
    harness.provider.answer = answerUsual;
    const again = await harness.caller(job.by.holder);
    expect(parsed(await revoke(job, again))).toMatchObject({ jobIds: [job.jobId], chain: "feed" });
    expect(codeOf(await again.send(job.chat()))).toBe("capability_revoked");
    expect((await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind)).toEqual(["job-opened"]);
    finish();
    await body.text();
    const kinds = async () => (await feedOf(harness.pool, job.jobId)).map(({ kind }) => kind);
    await expect.poll(kinds, { timeout: 8_000 }).toEqual(["job-opened", "usage", "job-closed"]);
    expect(parsed(await revoke(job, again)).jobIds).toEqual([job.jobId]);
    expect(await kinds()).toHaveLength(3);
  });

  test("takes the holder's key and this very job", async () => {
    const [job, other] = [await harness.openJob(), await harness.openJob()];
    expect(codeOf(await revoke(job, other.by))).toBe("invalid_proof");
    expect(codeOf(await revoke(job, job.by, other.jobId))).toBe("wrong_job");
    expect(codeOf(await post({ jobId: job.jobId }))).toBe("invalid_usage_auth");
    const proof = job.by.proofFor({ path: "/v1/revocations", body: { jobId: job.jobId }, token: job.token });
    const sent = { path: "/v1/revocations", body: { jobId: job.jobId }, token: job.token, proof };
    expect(codeOf(await job.by.send(job.chat()))).toBe("ok");
    expect(codeOf(await job.by.send(sent))).toBe("ok");
    expect(codeOf(await job.by.send(sent))).toBe("proof_replayed");
  });
});

describe("GET /v1/revocations", () => {
  const list = async (after: bigint, waitMs = 0, by?: TestCaller) => {
    const caller = by ?? (await harness.caller());
    const path = `/v1/revocations?after=${after}&waitMs=${waitMs}`;
    const answer = await caller.send({ method: "GET", path });
    expect(answer.status, answer.text).toBe(200);
    const page = Wire.parse(RevocationList.schema, JSON.parse(answer.text));
    const expected = { gateway: gatewayAddress, afterSeq: after, nowMs: Date.now() };
    RevocationList.verify(page, expected, domains.usageReceipts);
    return page;
  };

  test("gives a signed list to anybody, from a number on", async () => {
    const job = await harness.openJob();
    const { head: before } = await list(0n);
    parsed(await post(signedOne(job)));
    const page = await list(before.headSeq);
    expect(page.entries.map(({ jobId }) => jobId)).toEqual([job.jobId]);
    expect(page.head.toSeq).toBe(page.head.headSeq);
    expect(Number(page.entries[0]?.expiresAtMs)).toBe(Number(job.grant.capability.expiresAt) * 1000);
    expect((await list(page.head.headSeq)).entries).toEqual([]);
    expect((await list(0n)).entries.map(({ jobId }) => jobId)).toContain(job.jobId);
  });

  test("answers a waiting asker of another replica when something is revoked", async () => {
    const job = await harness.openJob();
    const by = await harness.caller(undefined, { connectUrl });
    const { head } = await list(0n, 0, by);
    const startedAtMs = Date.now();
    const waiting = list(head.headSeq, 2_000, by);
    await sleep(200);
    parsed(await post(signedOne(job)));
    expect((await waiting).entries.map(({ jobId }) => jobId)).toEqual([job.jobId]);
    expect(Date.now() - startedAtMs).toBeLessThan(1_900);
  });
});

test("a replica that has lost the channel refuses calls, and afterwards knows what it missed", async () => {
  const [job, revoked] = [await harness.openJob(), await harness.openJob()];
  const elsewhere = await harness.caller(job.by.holder, { connectUrl });
  expect(codeOf(await elsewhere.send(job.chat()))).toBe("ok");
  isCut = true;
  await expect
    .poll(async () => codeOf(await elsewhere.send(job.chat())), { timeout: MAX_AGE_MS + 2_000 })
    .toBe("revocations_unavailable");
  const refused = await elsewhere.send(job.chat());
  expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "1"]);
  const stale = await elsewhere.send({ method: "GET", path: "/v1/revocations" });
  expect([stale.status, codeOf(stale)]).toEqual([503, "revocations_unavailable"]);
  expect((await elsewhere.send({ method: "GET", path: "/healthz" })).status).toBe(503);
  parsed(await post(signedOne(revoked)));
  expect(codeOf(await job.by.send(job.chat()))).toBe("ok");

  isCut = false;
  await expect.poll(async () => codeOf(await elsewhere.send(job.chat())), { timeout: 5_000 }).toBe("ok");
  const answer = await elsewhere.send({ method: "GET", path: "/v1/revocations" });
  const { entries } = Wire.parse(RevocationList.schema, JSON.parse(answer.text));
  expect(entries.map(({ jobId }) => jobId)).toContain(revoked.jobId);
});

test("nobody can take a revocation back", async () => {
  const job = await harness.openJob();
  parsed(await post(signedOne(job)));
  for (const statement of [
    "DELETE FROM revocations",
    "UPDATE revocations SET expires_at_ms = 0",
    "TRUNCATE revocations",
  ]) {
    await expect(harness.pool.query(statement)).rejects.toThrow("append-only");
  }
});

test("a forged proof, and one for another connection, write nothing", async () => {
  const job = await harness.openJob();
  const used = async () =>
    (await harness.pool.query("SELECT FROM used_proofs WHERE job_id = $1", [bytesOf(job.jobId)])).rowCount;
  const before = await used();
  const proof = job.by.proofFor(job.chat());
  const forged = `${proof.slice(0, proof.lastIndexOf("."))}.${Buffer.alloc(64, 1).toString("base64url")}`;
  const elsewhere = await harness.caller(job.by.holder);
  expect(codeOf(await job.by.send({ ...job.chat(), proof: forged }))).toBe("invalid_proof");
  expect(codeOf(await elsewhere.send({ ...job.chat(), proof }))).toBe("binding_mismatch");
  expect(await used()).toBe(before);
  expect(codeOf(await job.by.send({ ...job.chat(), proof }))).toBe("ok");
  expect(codeOf(await job.by.send({ ...job.chat(), proof }))).toBe("proof_replayed");
});
