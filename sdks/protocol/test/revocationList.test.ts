import { describe, expect, it } from "vitest";
import { type ProtocolError, RevocationList, Wire } from "../src/index.ts";
import { domain, gatewayKey, repeated, tenantKey } from "./fixtures.ts";

const gateway = Wire.privateKeyToAddress(gatewayKey);
const nowMs = 1_790_000_000_000;
const entry = (seq: bigint): RevocationList.Entry => ({
  seq,
  jobId: repeated("44"),
  revokedAtMs: BigInt(nowMs - 100),
  expiresAtMs: BigInt(nowMs + 60_000),
});
const head = { gateway, afterSeq: 3n, toSeq: 9n, headSeq: 9n, issuedAtMs: BigInt(nowMs - 1_000) };
const expected = { gateway, afterSeq: 3n, nowMs };
const page = (changes: Partial<typeof head> = {}, entries = [entry(5n), entry(9n)], key = gatewayKey) =>
  RevocationList.sign({ head: { ...head, ...changes }, entries }, domain, key);

const codeOf = (signed: RevocationList.Page, changes: Partial<typeof expected> = {}): string => {
  try {
    RevocationList.verify(signed, { ...expected, ...changes }, domain);
    return "ok";
  } catch (error) {
    return (error as ProtocolError).code;
  }
};

describe("a signed list of revocations", () => {
  it("survives its JSON form and is accepted from its gateway", () => {
    const signed = page();
    const received = Wire.parse(
      RevocationList.schema,
      JSON.parse(JSON.stringify(RevocationList.toJson(signed))),
    );
    expect(received).toEqual(signed);
    expect(codeOf(received)).toBe("ok");
  });

  it.each<[string, string, () => RevocationList.Page]>([
    ["older than five seconds", "revocations_unavailable", () => page({ issuedAtMs: BigInt(nowMs - 5_001) })],
    ["from the future", "revocations_unavailable", () => page({ issuedAtMs: BigInt(nowMs + 5_001) })],
    ["for another cursor", "revocations_unavailable", () => page({ afterSeq: 2n })],
    ["that goes back", "revocations_unavailable", () => page({ toSeq: 2n }, [])],
    ["with a head behind its end", "revocations_unavailable", () => page({ headSeq: 8n })],
    ["out of order", "revocations_unavailable", () => page({}, [entry(9n), entry(5n)])],
    ["with an entry known before", "revocations_unavailable", () => page({}, [entry(3n)])],
    ["with an entry beyond its end", "revocations_unavailable", () => page({}, [entry(10n)])],
    ["signed by a stranger", "invalid_signature", () => page({}, undefined, tenantKey)],
    ["of another gateway", "invalid_signature", () => page({ gateway: Wire.privateKeyToAddress(tenantKey) })],
    ["with an entry taken out", "invalid_signature", () => ({ ...page(), entries: [entry(9n)] })],
    [
      "with another time",
      "invalid_signature",
      () => ({ ...page(), head: { ...page().head, issuedAtMs: BigInt(nowMs) } }),
    ],
  ])("is refused %s: %s", (_what, code, make) => expect(codeOf(make())).toBe(code));
});
