import { once } from "node:events";
import type { Server } from "node:http";
import { type Address, DpopProof, ProtocolError } from "@tac/protocol";
import express from "express";
import { fastify } from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { type Call, expressVerifier, fastifyVerifier, type VerifiedCall, type Verifier } from "./index.ts";

const gateway: Address = `0x${"55".repeat(20)}`;
const passed = { jobId: `0x${"44".repeat(32)}` } as VerifiedCall;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Lets calls with the header `x-good` pass, and refuses others with the code they name. */
const verifierOf = (seen: Call[] = []): Pick<Verifier, "verify"> => ({
  verify: (call) => {
    seen.push(call);
    call.assertForwarder?.(gateway);
    if (call.headers["x-good"] !== undefined) return passed;
    if (call.headers["x-broken"] !== undefined) throw new TypeError("a defect");
    throw new ProtocolError(
      call.headers["x-stale"] === undefined ? "capability_revoked" : "revocations_unavailable",
    );
  },
});
/** The header `x-through` stands for the certificate of the connection. */
const assertForwarder = ({ headers }: { headers: Call["headers"] }, issuer: Address): void => {
  if ((headers["x-through"] ?? gateway) !== issuer) throw new ProtocolError("certificate_required");
};
const body = '{"model":"sim-chat","messages":[]}';

const onExpress = async (seen: Call[], hasRawBody: boolean): Promise<string> => {
  const app = express();
  const raw = new WeakMap<object, Buffer>();
  app.use(
    express.json({
      verify: (request, _response, bytes) => {
        raw.set(request, bytes);
      },
    }),
  );
  app.use(
    expressVerifier(verifierOf(seen), {
      assertForwarder,
      ...(hasRawBody && { rawBodyOf: (request) => raw.get(request) ?? "" }),
    }),
  );
  app.post("/v1/chat/completions", (request, response) => {
    response.json({ jobId: (request as typeof request & { tac: VerifiedCall }).tac.jobId });
  });
  const server: Server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return `http://127.0.0.1:${bound.port}`;
};

const onFastify = async (seen: Call[], hasRawBody: boolean): Promise<string> => {
  const app = fastify();
  const raw = new WeakMap<object, string>();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, text: string, done) => {
    raw.set(request, text);
    done(null, JSON.parse(text));
  });
  await app.register(
    fastifyVerifier(verifierOf(seen), {
      assertForwarder,
      ...(hasRawBody && { rawBodyOf: (request) => raw.get(request) ?? "" }),
    }),
  );
  app.post("/v1/chat/completions", async ({ tac }) => ({ jobId: tac?.jobId }));
  closers.push(() => app.close());
  return app.listen({ host: "127.0.0.1", port: 0 });
};

describe.each([
  ["Express", onExpress],
  ["Fastify", onFastify],
])("on %s", (_name, start) => {
  const post = async (
    headers: Record<string, string>,
    { seen = [] as Call[], hasRawBody = false } = {},
  ): Promise<Response> => {
    const url = await start(seen, hasRawBody);
    return fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
  };

  test("a good call reaches its route, which knows whose it is", async () => {
    const seen: Call[] = [];
    const answer = await post({ "x-good": "1" }, { seen });
    expect([answer.status, await answer.json()]).toEqual([200, { jobId: passed.jobId }]);
    expect(seen[0]?.model).toBe("sim-chat");
    expect(seen[0]).not.toHaveProperty("bodyHash");
  });

  test("the digest of the body as it came is handed on, where it can be had", async () => {
    const seen: Call[] = [];
    await post({ "x-good": "1" }, { seen, hasRawBody: true });
    expect(seen[0]?.bodyHash).toBe(DpopProof.bodyHash(body));
  });

  test("any other is answered in OpenAI's shape", async () => {
    const answer = await post({});
    expect(answer.status).toBe(403);
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await answer.json()).toMatchObject({
      error: { code: "capability_revoked", type: "permission_error" },
    });
  });

  test("the host says whether the connection is that of the token's gateway", async () => {
    expect((await post({ "x-good": "1", "x-through": gateway })).status).toBe(200);
    const stolen = await post({ "x-good": "1", "x-through": "0x66" });
    expect([stolen.status, await stolen.json()]).toMatchObject([
      403,
      { error: { code: "certificate_required" } },
    ]);
  });

  test("a list that is too old is answered with 503 and when to come again", async () => {
    const answer = await post({ "x-stale": "1" });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
  });

  test("a defect is the host's to answer", async () => {
    expect((await post({ "x-broken": "1" })).status).toBe(500);
  });
});
