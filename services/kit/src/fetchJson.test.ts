import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { FetchError, fetchJson } from "./fetchJson.ts";
import { freePort } from "./testing/index.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
};

const schema = z.object({ amountNano: z.string() });
const failure = (promise: Promise<unknown>): Promise<FetchError> =>
  promise.then(
    () => Promise.reject(new Error("expected a failure")),
    (error: unknown) => {
      expect(error).toBeInstanceOf(FetchError);
      return error as FetchError;
    },
  );

test("posts JSON and parses the answer", async () => {
  const url = await serve((request, response) => {
    response.setHeader("content-type", "application/json");
    request.on("data", (chunk) =>
      response.end(`{"amountNano":"${JSON.parse(chunk).amount}","method":"${request.method}"}`),
    );
  });
  expect(await fetchJson(url, { schema: z.unknown(), body: { amount: 7 } })).toEqual({
    amountNano: "7",
    method: "POST",
  });
  expect(await fetchJson(url, { schema, bodyText: '{"amount":8}' })).toEqual({ amountNano: "8" });
});

test("ends at the deadline, also when the answer has begun", async () => {
  const url = await serve((_request, response) => void response.write("{"));
  expect(await failure(fetchJson(url, { schema, timeoutMs: 80 }))).toMatchObject({
    reason: "timeout",
    retryable: true,
  });
});

test("tells an unreachable host", async () => {
  const url = `http://127.0.0.1:${await freePort()}/x?token=secret`;
  const error = await failure(fetchJson(url, { schema }));
  expect(error).toMatchObject({ reason: "network", retryable: true });
  expect(error.message).not.toContain("secret");
});

test.each([
  [402, '{"error":{"code":"credit_exhausted"}}', "credit_exhausted", false],
  [404, '{"code":"not_settled"}', "not_settled", false],
  [503, "<html>", undefined, true],
  [301, "", undefined, false],
])("a %i keeps the status and the remote's code", async (status, body, code, retryable) => {
  const url = await serve(
    (_request, response) => void response.writeHead(status, { location: "/" }).end(body),
  );
  expect(await failure(fetchJson(url, { schema }))).toMatchObject({
    reason: "status",
    status,
    code,
    retryable,
  });
});

test("refuses what is too large, not JSON or of another shape", async () => {
  const url = await serve((request, response) => {
    const bodies: Record<string, string> = {
      "/large": `"${"x".repeat(2_000)}"`,
      "/text": "hello",
      "/shape": '{"amountNano":7}',
    };
    response.end(bodies[request.url ?? ""]);
  });
  expect((await failure(fetchJson(`${url}/large`, { schema, maxBytes: 1_000 }))).reason).toBe("too_large");
  expect((await failure(fetchJson(`${url}/text`, { schema }))).reason).toBe("not_json");
  expect((await failure(fetchJson(`${url}/shape`, { schema }))).reason).toBe("unexpected_shape");
});
