import { type ProtocolError, RevocationList, Wire } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { combineRevocations, createRevocationList } from "./index.ts";

const key = (byte: string) => `0x${byte.repeat(32)}` as const;
const gatewayKey = key("11");
const gateway = Wire.privateKeyToAddress(gatewayKey);
const stranger = Wire.privateKeyToAddress(key("12"));
const domain = { chainId: 31_337, verifyingContract: `0x${"aa".repeat(20)}` } as const;
const token = { tenant: stranger, issuedAt: 0 };
const start = 1_790_000_000_000;

const begin = () => {
  const clock = { nowMs: start };
  const list = createRevocationList({ gateways: [gateway], domain, now: () => clock.nowMs });
  const page = (
    seqs: readonly bigint[],
    changes: Partial<RevocationList.Head> = {},
    expiresAtMs = start + 600_000,
  ) => {
    const afterSeq = list.cursorOf(gateway);
    const toSeq = seqs.at(-1) ?? afterSeq;
    const entries = seqs.map((seq) => ({
      seq,
      jobId: jobOf(seq),
      revokedAtMs: BigInt(start),
      expiresAtMs: BigInt(expiresAtMs),
    }));
    const issuedAtMs = BigInt(clock.nowMs);
    const head = { gateway, afterSeq, toSeq, headSeq: toSeq, issuedAtMs, ...changes };
    return RevocationList.sign({ head, entries }, domain, gatewayKey);
  };
  return { clock, list, page };
};
const jobOf = (seq: bigint) => key(seq.toString(16).padStart(2, "0"));
const code = (work: () => unknown): string => {
  try {
    work();
    return "ok";
  } catch (error) {
    return (error as ProtocolError).code;
  }
};

describe("a revocation list", () => {
  test("refuses everything before its first page, and again five seconds after its last", () => {
    const { clock, list, page } = begin();
    expect(code(() => list.assertFresh(gateway))).toBe("revocations_unavailable");
    expect(list.apply(gateway, page([]))).toBe(true);
    expect(code(() => list.assertFresh(gateway))).toBe("ok");
    clock.nowMs += 5_000;
    expect(code(() => list.assertFresh(gateway))).toBe("ok");
    clock.nowMs += 1;
    expect(code(() => list.assertFresh(gateway))).toBe("revocations_unavailable");
    list.apply(gateway, page([]));
    expect(code(() => list.assertFresh(gateway))).toBe("ok");
  });

  test("cannot be told to accept an older list than five seconds", () => {
    let nowMs = start;
    const list = createRevocationList({ gateways: [gateway], domain, now: () => nowMs, maxAgeMs: 60_000 });
    const head = { gateway, afterSeq: 0n, toSeq: 0n, headSeq: 0n, issuedAtMs: BigInt(start) };
    list.apply(gateway, RevocationList.sign({ head, entries: [] }, domain, gatewayKey));
    nowMs += 5_001;
    expect(code(() => list.assertFresh(gateway))).toBe("revocations_unavailable");
  });

  test("of a gateway whose clock runs ahead lasts five seconds from its arrival, no longer", () => {
    const { clock, list, page } = begin();
    list.apply(gateway, page([], { issuedAtMs: BigInt(start + 5_000) }));
    clock.nowMs += 5_000;
    expect(code(() => list.assertFresh(gateway))).toBe("ok");
    clock.nowMs += 1;
    expect(code(() => list.assertFresh(gateway))).toBe("revocations_unavailable");
  });

  test("knows a gateway by either spelling of its address", () => {
    const { page } = begin();
    const capitals = `0x${gateway.slice(2).toUpperCase()}` as const;
    const list = createRevocationList({ gateways: [capitals], domain, now: () => start });
    list.apply(capitals, page([]));
    expect(code(() => list.assertFresh(gateway))).toBe("ok");
  });

  test("is about its own gateways only", () => {
    const { list, page } = begin();
    list.apply(gateway, page([]));
    expect(code(() => list.assertFresh(stranger))).toBe("revocations_unavailable");
  });

  test("grows by pages, and is fresh after the last of them", () => {
    const { list, page } = begin();
    expect(list.apply(gateway, page([1n, 2n], { headSeq: 3n }))).toBe(false);
    expect(list.isRevoked(jobOf(2n), token)).toBe(true);
    expect(code(() => list.assertFresh(gateway))).toBe("revocations_unavailable");
    expect(list.apply(gateway, page([3n]))).toBe(true);
    expect(code(() => list.assertFresh(gateway))).toBe("ok");
    expect(list.isRevoked(jobOf(4n), token)).toBe(false);
  });

  test("is not shortened by an empty page, an old page, or a page of a stranger", () => {
    const { list, page } = begin();
    const first = page([1n]);
    list.apply(gateway, first);
    list.apply(gateway, page([]));
    expect(code(() => list.apply(gateway, first))).toBe("revocations_unavailable");
    const forged = page([2n]);
    const { signature } = RevocationList.sign(forged, domain, key("12")).head;
    const tampered = { ...forged, head: { ...forged.head, signature } };
    expect(code(() => list.apply(gateway, tampered))).toBe("invalid_signature");
    expect([1n, 2n].map((seq) => list.isRevoked(jobOf(seq), token))).toEqual([true, false]);
  });

  test("forgets an entry once its capability has expired", () => {
    const { clock, list, page } = begin();
    list.apply(gateway, page([1n], {}, start + 10_000));
    list.apply(gateway, page([2n]));
    clock.nowMs += 70_000;
    list.apply(gateway, page([]));
    expect(list.size()).toBe(1);
    expect(list.isRevoked(jobOf(2n), token)).toBe(true);
  });
});

test("combined sources revoke when one does and are fresh when all are", () => {
  const { list, page } = begin();
  const asked: unknown[] = [];
  const both = combineRevocations(list, {
    isRevoked: (...question) => asked.push(question) > 0,
    assertFresh: () => undefined,
  });
  expect(code(() => both.assertFresh(gateway))).toBe("revocations_unavailable");
  list.apply(gateway, page([]));
  expect(code(() => both.assertFresh(gateway))).toBe("ok");
  expect(both.isRevoked(jobOf(1n), token)).toBe(true);
  expect(asked).toEqual([[jobOf(1n), token]]);
});
