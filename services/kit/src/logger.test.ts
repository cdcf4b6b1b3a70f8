import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

const logged = (...entries: [object, string?][]): Record<string, unknown>[] => {
  const lines: string[] = [];
  const logger = createLogger({ service: "gateway" }, { write: (line) => void lines.push(line) });
  for (const [fields, text] of entries) logger.info(fields, text);
  return lines.map((line) => JSON.parse(line));
};

test("writes JSON lines that name the service and the level", () => {
  expect(logged([{ jobId: "0x01" }, "held"])[0]).toMatchObject({
    service: "gateway",
    level: "info",
    jobId: "0x01",
    msg: "held",
  });
});

test.each([
  { headers: { Authorization: "sk-canary" } },
  { headers: { "usage-auth": "sk-canary" } },
  { DPoP: "sk-canary" },
  { call: { body: { messages: [{ content: "sk-canary" }] } } },
  { provider: [{ apiKey: "sk-canary" }] },
  { provider: { api_key: "sk-canary" } },
  { wallet: { privateKey: "sk-canary" } },
  { body: { input: ["sk-canary"] } },
  { body: { prompt: "sk-canary" } },
  { err: Object.assign(new Error("refused"), { headers: { cookie: "sk-canary" } }) },
  { error: new Error("outer", { cause: Object.assign(new Error("inner"), { authorization: "sk-canary" }) }) },
  {
    err: Object.assign(new Error("lost"), {
      client: new (class Client {
        secretKey = "sk-canary";
      })(),
    }),
  },
  {
    err: new Error("outer", {
      cause: Object.assign(new Error("inner"), { severity: "ERROR", detail: "sk-canary" }),
    }),
  },
  {
    err: Object.assign(new Error("taken"), {
      severity: "ERROR",
      detail: "Key (k)=(sk-canary) already exists.",
    }),
  },
])("redacts %j", (fields) => {
  const [line] = logged([fields]);
  expect(JSON.stringify(line)).not.toContain("sk-canary");
});

test("of an object of a class only its class is named, and a cause is kept", () => {
  const client = new (class Client {
    port = 5432;
  })();
  const err = new Error("outer", { cause: Object.assign(new Error("inner"), { client, code: "57P01" }) });
  expect(logged([{ err }])[0]).toMatchObject({
    err: { cause: { message: "inner", client: "[Client]", code: "57P01" } },
  });
});

test("takes fields whose prototype is none, or is made by nothing", () => {
  const params = Object.assign(Object.create(Object.create(null)), { jobId: "0x01" });
  expect(
    logged([{ params }, "asked"], [Object.assign(Object.create(null), { jobId: "0x02" })]),
  ).toMatchObject([{ params: { jobId: "0x01" } }, { jobId: "0x02" }]);
});

test("keeps an error's type, message and stack, and writes bigint as digits", () => {
  const [line] = logged([{ err: new TypeError("no such job"), amountNano: 2n ** 70n }]);
  expect(line).toMatchObject({
    err: { type: "TypeError", message: "no such job" },
    amountNano: "1180591620717411303424",
  });
  expect(JSON.stringify(line)).toContain("logger.test.ts");
});
