import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { RevocationList, Wire } from "@tac/protocol";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { followRevocations } from "./index.ts";

const key = (byte: string) => `0x${byte.repeat(32)}` as const;
const gatewayKey = key("11");
const gateway = Wire.privateKeyToAddress(gatewayKey);
const domain = { chainId: 31_337, verifyingContract: `0x${"aa".repeat(20)}` } as const;
const token = { tenant: gateway, issuedAt: 0 };

let server: Server;
let url: string;
let answer: (after: bigint, waitMs: number, response: ServerResponse) => void;
let close: (() => Promise<void>) | undefined;
const errors: unknown[] = [];
beforeEach(async () => {
  errors.length = 0;
  server = createServer((request, response) => {
    const query = new URL(request.url ?? "/", "http://host").searchParams;
    answer(BigInt(query.get("after") ?? "0"), Number(query.get("waitMs")), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  url = `http://127.0.0.1:${bound.port}`;
});
afterEach(async () => {
  await close?.();
  server.closeAllConnections();
  server.close();
});

const page = (
  afterSeq: bigint,
  seqs: readonly bigint[],
  headSeq = seqs.at(-1) ?? afterSeq,
  signer = gatewayKey,
) => {
  const toSeq = seqs.at(-1) ?? afterSeq;
  const entries = seqs.map((seq) => ({
    seq,
    jobId: key(seq.toString(16).padStart(2, "0")),
    revokedAtMs: 1n,
    expiresAtMs: BigInt(Date.now() + 60_000),
  }));
  const head = { gateway, afterSeq, toSeq, headSeq, issuedAtMs: BigInt(Date.now()) };
  return JSON.stringify(RevocationList.toJson(RevocationList.sign({ head, entries }, domain, signer)));
};
const follow = () => {
  const followed = followRevocations({
    gateways: [{ address: gateway, url }],
    domain,
    onError: (error) => errors.push(error),
  });
  close = followed.close;
  return followed;
};
const isFresh = (followed: ReturnType<typeof follow>): boolean => {
  try {
    followed.assertFresh(gateway);
    return true;
  } catch {
    return false;
  }
};

test("reads page after page, then waits for what comes", async () => {
  const asked: [bigint, number][] = [];
  let revoke = () => {};
  answer = (after, waitMs, response) => {
    asked.push([after, waitMs]);
    if (after === 0n) response.end(page(0n, [1n, 2n], 3n));
    else if (after === 2n) response.end(page(2n, [3n]));
    else if (after === 3n) revoke = () => response.end(page(3n, [7n]));
  };
  const followed = follow();
  expect(isFresh(followed)).toBe(false);
  await vi.waitFor(() => expect(isFresh(followed)).toBe(true), 5_000);
  expect(followed.isRevoked(key("03"), token)).toBe(true);
  expect(followed.isRevoked(key("07"), token)).toBe(false);
  await vi.waitFor(() => expect(asked).toHaveLength(3), 5_000);
  revoke();
  await vi.waitFor(() => expect(followed.isRevoked(key("07"), token)).toBe(true), 5_000);
  expect(asked.slice(0, 3)).toEqual([
    [0n, 0],
    [2n, 0],
    [3n, 1_500],
  ]);
  expect(errors).toEqual([]);
});

test("goes on after a gateway that fails, and takes nothing that the gateway did not sign", async () => {
  const answers = [
    (response: ServerResponse) => response.writeHead(503).end(),
    (response: ServerResponse) => response.end("no JSON"),
    (response: ServerResponse) => response.end(page(0n, [1n], 1n, key("12"))),
    (response: ServerResponse) => response.end(page(0n, [2n])),
  ];
  answer = (_after, _waitMs, response) => answers.shift()?.(response);
  const followed = follow();
  await vi.waitFor(() => expect(isFresh(followed)).toBe(true), 8_000);
  expect(errors).toHaveLength(3);
  expect([key("01"), key("02")].map((jobId) => followed.isRevoked(jobId, token))).toEqual([false, true]);
});

test("ends at once, also while it waits", async () => {
  let isAsked = false;
  answer = () => {
    isAsked = true;
  };
  const followed = follow();
  await vi.waitFor(() => expect(isAsked).toBe(true), 5_000);
  const startedAtMs = Date.now();
  await followed.close();
  expect(Date.now() - startedAtMs).toBeLessThan(1_000);
  expect(errors).toEqual([]);
});
