import {
  Capability,
  DpopProof,
  HolderKey,
  ProtocolError,
  UsageAuth,
  UsageReceipt,
  UsageReport,
  Wire,
} from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { type Call, createVerifier, type Revocations, type VerifierSettings } from "./index.ts";

const nowMs = 1_790_000_000_000;
const nowSeconds = nowMs / 1_000;
const key = (byte: string) => `0x${byte.repeat(32)}` as const;
const gatewayKey = key("11");
const gateway = Wire.privateKeyToAddress(gatewayKey);
const providerKey = key("22");
const domain = {
  name: "UsageReceipts",
  version: "1",
  chainId: 31_337,
  verifyingContract: `0x${"aa".repeat(20)}`,
} as const;
const holder = HolderKey.generate();
const body = '{"model":"sim-chat-small"}';

const grant = (changes: Partial<UsageAuth.Claims> = {}, privateKey = gatewayKey) =>
  UsageAuth.issue(
    {
      tenant: `0x${"bb".repeat(20)}`,
      expiresAt: nowSeconds + 300,
      notBefore: nowSeconds - 10,
      issuedAt: nowSeconds - 10,
      tokenId: `0x${"01".repeat(16)}`,
      jwk: holder.jwk,
      capabilityHash: key("33"),
      jobId: key("44"),
      providers: [1, 2],
      models: ["sim-chat-small"],
      remainingNano: 5_000n,
      binding: Capability.BINDING_EXPORTER,
      countersigned: true,
      ...changes,
    },
    privateKey,
  );

const forwarded = (usageAuth: string, proof: string): Call => ({
  headers: {
    "usage-auth": usageAuth,
    "x-dpop-proof": proof,
    "x-receipt-id": UsageReceipt.receiptId({
      gateway,
      jobId: key("44"),
      claims: DpopProof.parse(proof).claims,
    }),
    "x-job-id": key("44"),
  },
  model: "sim-chat-small",
});
const call = (usageAuth = grant(), changes: Partial<DpopProof.CreateInput> = {}, signer = holder): Call =>
  forwarded(
    usageAuth,
    DpopProof.create(
      {
        method: "POST",
        url: "https://gateway.example/v1/chat/completions",
        nowSeconds,
        usageAuth,
        exporter: Buffer.alloc(32, 7),
        body,
        maxCostNano: 900n,
        ...changes,
      },
      signer.privateKey,
    ),
  );
const withHeader = (name: string, value: string | string[] | undefined, base = call()): Call => ({
  ...base,
  headers: { ...base.headers, [name]: value },
});

const revocationsOf = (isRevoked: Revocations["isRevoked"]): Revocations => ({
  isRevoked,
  assertFresh: () => undefined,
});
const verifierOf = (changes: Partial<VerifierSettings> = {}) =>
  createVerifier({
    domain,
    providerId: 1,
    isGateway: (address) => address === gateway,
    revocations: revocationsOf(() => false),
    now: () => nowMs,
    ...changes,
  });

const code = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as ProtocolError).code;
  }
  throw new Error("expected a refusal");
};

describe("verify", () => {
  test("accepts what an enrolled gateway forwards, and tells what the caller signed", () => {
    const forwardedCall = call();
    const verified = verifierOf().verify(forwardedCall);
    expect(verified).toMatchObject({
      receiptId: forwardedCall.headers["x-receipt-id"],
      jobId: key("44"),
      gateway,
      tenant: `0x${"bb".repeat(20)}`,
    });
    expect(verified.proof.claims).toMatchObject({
      htm: "POST",
      maxCostNano: 900n,
      bodyHash: DpopProof.bodyHash(body),
    });
  });

  test.each<[string, string, () => Call, Partial<VerifierSettings>]>([
    ["no token", "invalid_usage_auth", () => withHeader("usage-auth", undefined), {}],
    ["two tokens", "invalid_usage_auth", () => withHeader("usage-auth", [grant(), grant()]), {}],
    ["a token of a stranger", "invalid_usage_auth", () => call(grant({}, key("66"))), {}],
    ["a token with another signature", "invalid_usage_auth", () => call(`${grant().slice(0, -6)}AAAAAA`), {}],
    [
      "an expired token",
      "usage_auth_expired",
      () => call(),
      { now: () => nowMs + 301_000, maxProofAgeSeconds: 900 },
    ],
    ["another job", "wrong_job", () => withHeader("x-job-id", key("77")), {}],
    [
      "a job id in another spelling",
      "invalid_request",
      () => withHeader("x-job-id", `0x${"4A".repeat(32)}`),
      {},
    ],
    ["a token harvested from another provider", "provider_not_allowed", () => call(), { providerId: 3 }],
    ["another model", "model_not_allowed", () => ({ ...call(), model: "sim-chat-large" }), {}],
    [
      "a revoked job",
      "capability_revoked",
      () => call(),
      { revocations: revocationsOf((jobId) => jobId === key("44")) },
    ],
    ["no proof", "invalid_proof", () => withHeader("x-dpop-proof", undefined), {}],
    ["a proof by another key", "invalid_proof", () => call(grant(), {}, HolderKey.generate()), {}],
    ["a proof for another token", "invalid_proof", () => call(grant(), { usageAuth: "other" }), {}],
    ["an old proof", "invalid_proof", () => call(grant(), { nowSeconds: nowSeconds - 301 }), {}],
    [
      "a proof for another gateway",
      "invalid_proof",
      () => call(),
      { publicUrl: "https://elsewhere.example" },
    ],
    ["no receipt id", "invalid_request", () => withHeader("x-receipt-id", undefined), {}],
    ["the receipt id of another call", "invalid_request", () => withHeader("x-receipt-id", key("55")), {}],
  ])("refuses %s with %s", (_what, expected, make, changes) => {
    expect(code(() => verifierOf(changes).verify(make()))).toBe(expected);
  });

  test("refuses a proof without a TLS connection when the capability binds to one", () => {
    const unbound = (usageAuth: string): Call => {
      const jwt = DpopProof.create(
        { method: "POST", url: "https://gateway.example/v1/embeddings", nowSeconds, usageAuth },
        holder.privateKey,
      );
      return forwarded(usageAuth, jwt);
    };
    expect(code(() => verifierOf().verify(unbound(grant())))).toBe("binding_mismatch");
    expect(verifierOf().verify(unbound(grant({ binding: Capability.BINDING_NONCE }))).jobId).toBe(key("44"));
  });

  test("serves one proof once; a retry of the call comes with a new proof and the same receipt id", () => {
    const verifier = verifierOf();
    const first = call(grant(), { idempotencyKey: "key-1" });
    const { receiptId } = verifier.verify(first);
    expect(code(() => verifier.verify(first))).toBe("proof_replayed");
    expect(verifier.verify(call(grant(), { idempotencyKey: "key-1" })).receiptId).toBe(receiptId);
    expect(verifier.verify(call(grant(), { idempotencyKey: "key-2" })).receiptId).not.toBe(receiptId);
  });

  test("remembers a proof for as long as it could be accepted again", () => {
    let clockMs = nowMs;
    const verifier = verifierOf({ now: () => clockMs, maxProofAgeSeconds: 100 });
    const first = call(grant({ expiresAt: nowSeconds + 1_000 }));
    verifier.verify(first);
    for (const later of [40, 80, 100]) {
      clockMs = nowMs + later * 1_000;
      expect(code(() => verifier.verify(first))).toBe("proof_replayed");
    }
  });

  test("tells the revocation list whose token it is and when it was issued", () => {
    const asked: unknown[] = [];
    const revocations = revocationsOf((...question) => asked.push(question) === 0);
    verifierOf({ revocations }).verify(call());
    expect(asked).toEqual([[key("44"), { tenant: `0x${"bb".repeat(20)}`, issuedAt: nowSeconds - 10 }]]);
  });

  test("lets nothing pass while the list of revocations is too old, whatever it says", () => {
    const revocations: Revocations = {
      isRevoked: () => false,
      assertFresh: (asked) => {
        expect(asked).toBe(gateway);
        throw new ProtocolError("revocations_unavailable");
      },
    };
    expect(code(() => verifierOf({ revocations }).verify(call()))).toBe("revocations_unavailable");
  });

  test("asks every time whether the gateway of a token it knows is still enrolled", () => {
    let isEnrolled = true;
    let clockMs = nowMs;
    const verifier = verifierOf({ isGateway: () => isEnrolled, now: () => clockMs });
    const usageAuth = grant();
    verifier.verify(call(usageAuth));
    isEnrolled = false;
    expect(code(() => verifier.verify(call(usageAuth)))).toBe("invalid_usage_auth");
    isEnrolled = true;
    verifier.verify(call(usageAuth));
    clockMs = nowMs + 300_000;
    expect(code(() => verifier.verify(call(usageAuth)))).toBe("usage_auth_expired");
  });

  test("a call that was refused is not remembered", () => {
    let isRevoked = true;
    const verifier = verifierOf({ revocations: revocationsOf(() => isRevoked) });
    const first = call();
    expect(code(() => verifier.verify(first))).toBe("capability_revoked");
    const [head = "", body = ""] = String(first.headers["x-dpop-proof"]).split(".");
    const forged = `${head}.${body}.${Buffer.alloc(64, 1).toString("base64url")}`;
    isRevoked = false;
    expect(code(() => verifier.verify(withHeader("x-dpop-proof", forged, first)))).toBe("invalid_proof");
    expect(verifier.verify(first).jobId).toBe(key("44"));
  });

  test("compares the body only when that is demanded", () => {
    const rewritten = { ...call(), bodyHash: DpopProof.bodyHash(`${body} `) };
    expect(verifierOf().verify(rewritten).jobId).toBe(key("44"));
    expect(code(() => verifierOf({ demandSameBody: true }).verify(rewritten))).toBe("invalid_proof");
    expect(code(() => verifierOf({ demandSameBody: true }).verify(call()))).toBe("invalid_request");
    const same = { ...call(), bodyHash: DpopProof.bodyHash(body) };
    expect(verifierOf({ demandSameBody: true }).verify(same).jobId).toBe(key("44"));
  });
});

describe("countersign", () => {
  const report: UsageReport.UsageReport = {
    receiptId: key("55"),
    jobId: key("44"),
    providerId: 1,
    modelHash: key("88"),
    inputTokens: 12n,
    cachedInputTokens: 0n,
    outputTokens: 34n,
    requests: 1n,
    durationMs: 5n,
  };

  test("signs with the provider's key, in the domain of UsageReceipts", () => {
    const signed = verifierOf().countersign({ report, privateKey: providerKey });
    expect(UsageReport.recover(signed, domain)).toBe(Wire.privateKeyToAddress(providerKey));
    expect(UsageReport.fromHeader(UsageReport.toHeader(signed))).toEqual(signed);
  });

  test("signs the count of a call that passed, as one request unless told otherwise", () => {
    const verifier = verifierOf();
    const passed = verifier.verify(call());
    const signed = verifier.countersignCall(
      passed,
      { model: "sim-chat-small", inputTokens: 12n, outputTokens: 34n },
      providerKey,
    );
    expect(UsageReport.recover(signed, domain)).toBe(Wire.privateKeyToAddress(providerKey));
    expect(signed.report).toMatchObject({
      receiptId: passed.receiptId,
      jobId: passed.jobId,
      providerId: 1,
      inputTokens: 12n,
      cachedInputTokens: 0n,
      outputTokens: 34n,
      requests: 1n,
      durationMs: 0n,
    });
  });

  test("refuses a report for another provider", () => {
    const other = { ...report, providerId: 2 };
    expect(code(() => verifierOf().countersign({ report: other, privateKey: providerKey }))).toBe(
      "invalid_request",
    );
  });
});
