import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { ConfigError, createLogger } from "@tac/kit";
import { type Deployment, RevocationList, Wire } from "@tac/protocol";
import { getGlobalDispatcher } from "undici";
import { afterEach, expect, test, vi } from "vitest";
import { followGateways, type GatewayList } from "../src/followGateways.ts";
import { domain, jobId, key } from "./harness.ts";

const gatewayKey = key("11");
const gateway = Wire.privateKeyToAddress(gatewayKey);
const other = Wire.privateKeyToAddress(key("12"));
const deployment = {
  chainId: domain.chainId,
  usageReceipts: domain.verifyingContract,
  capabilityAuthority: domain.verifyingContract,
} as Deployment.Deployment;
const logger = createLogger({ service: "provider-sim", level: "silent" });

let server: Server | undefined;
let list: GatewayList | undefined;
afterEach(async () => {
  await list?.close();
  list = undefined;
  server?.close();
});

const serve = async (): Promise<string> => {
  server = createServer((request, response) => {
    const afterSeq = BigInt(new URL(request.url ?? "/", "http://host").searchParams.get("after") ?? "0");
    const entries =
      afterSeq === 0n ? [{ seq: 1n, jobId, revokedAtMs: 1n, expiresAtMs: BigInt(Date.now() + 60_000) }] : [];
    const head = { gateway, afterSeq, toSeq: 1n, headSeq: 1n, issuedAtMs: BigInt(Date.now()) };
    const page = RevocationList.sign({ head, entries }, domain, gatewayKey);
    setTimeout(() => response.end(JSON.stringify(RevocationList.toJson(page))), 20);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return `http://127.0.0.1:${bound.port}`;
};
const follow = (REVOCATIONS_URL: string | undefined, GATEWAYS: `0x${string}`[] | undefined) =>
  followGateways({ REVOCATIONS_URL, GATEWAYS }, deployment, { logger, dispatcher: getGlobalDispatcher() });

test("a provider without the chain learns revocations from its gateway", async () => {
  list = follow(await serve(), [gateway]);
  const followed = list;
  if (followed === undefined) throw new Error("nothing is followed");
  expect(followed.assertFresh).toThrow(expect.objectContaining({ code: "revocations_unavailable" }));
  await vi.waitFor(() => followed.assertFresh(), 5_000);
  expect(followed.isRevoked(jobId, { tenant: other, issuedAt: 0 })).toBe(true);
  expect(followed.isRevoked(key("45"), { tenant: other, issuedAt: 0 })).toBe(false);
  expect(() => followed.assertFresh(other)).toThrow(
    expect.objectContaining({ code: "revocations_unavailable" }),
  );
});

test("the list must be of exactly one gateway", () => {
  expect(follow(undefined, [gateway])).toBeUndefined();
  expect(() => follow("http://127.0.0.1:1", undefined)).toThrow(ConfigError);
  expect(() => follow("http://127.0.0.1:1", [gateway, other])).toThrow(ConfigError);
});
