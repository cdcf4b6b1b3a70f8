import { createLogger, createMetrics } from "@tac/kit";
import { Capability, DpopProof, HolderKey, UsageAuth, UsageReceipt, Wire } from "@tac/protocol";
import { createVerifier } from "@tac/verifier";
import { buildApp, createGuard, createReporter } from "../src/index.ts";

export const apiKey = "provider-key-0123456789";
export const key = (byte: string) => `0x${byte.repeat(32)}` as const;
export const domain = {
  name: "UsageReceipts",
  version: "1",
  chainId: 31_337,
  verifyingContract: `0x${"aa".repeat(20)}`,
} as const;
export const signingKey = key("22");
export const signer = Wire.privateKeyToAddress(signingKey);
export const jobId = key("44");

export const calm = {
  latencyMs: 0,
  tokenLatencyMs: 0,
  failureRate: 0,
  failureStatus: 500,
  hang: false,
  outputTokens: undefined,
  cachedTokens: 0,
  cutAfterTokens: undefined,
  hostileHeaders: false,
  reportExtraTokens: 0,
};

const logger = createLogger({ service: "provider-sim", level: "silent" });

export const build = (changes: Partial<Parameters<typeof buildApp>[0]> = {}) =>
  buildApp({
    apiKey,
    models: ["sim-chat", "sim-embed"],
    guard: () => ({ report: () => undefined }),
    reporter: createReporter({ mode: "inline", logger }),
    configured: calm,
    logger,
    metrics: createMetrics({ service: "provider-sim", processMetrics: false }),
    ...changes,
  });

const gatewayKey = key("11");
const holder = HolderKey.generate();

export const guarded = (
  revoked: ReadonlySet<string> = new Set(),
  { demandsCertificate = false }: { demandsCertificate?: boolean } = {},
) =>
  createGuard({
    verifier: createVerifier({
      domain,
      providerId: 1,
      isGateway: (address) => address === Wire.privateKeyToAddress(gatewayKey),
      revocations: { isRevoked: (job) => revoked.has(job), assertFresh: () => undefined },
    }),
    watch: undefined,
    providerId: 1,
    signingKey,
    reports: true,
    demandsCertificate,
  });

/** What a gateway sends along with a call of the job. */
export const forwarded = (claims: Partial<UsageAuth.Claims> = {}): Record<string, string> => {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const usageAuth = UsageAuth.issue(
    {
      tenant: `0x${"bb".repeat(20)}`,
      expiresAt: nowSeconds + 300,
      notBefore: nowSeconds,
      issuedAt: nowSeconds,
      tokenId: `0x${"01".repeat(16)}`,
      jwk: holder.jwk,
      capabilityHash: key("33"),
      jobId,
      providers: [1],
      models: ["sim-chat", "sim-embed"],
      remainingNano: 5_000n,
      binding: Capability.BINDING_NONCE,
      countersigned: true,
      ...claims,
    },
    gatewayKey,
  );
  const url = "https://gateway.example/v1/chat/completions";
  const proof = DpopProof.create({ method: "POST", url, nowSeconds, usageAuth }, holder.privateKey);
  const call = { gateway: Wire.privateKeyToAddress(gatewayKey), jobId };
  return {
    "usage-auth": usageAuth,
    "x-dpop-proof": proof,
    "x-receipt-id": UsageReceipt.receiptId({ ...call, claims: DpopProof.parse(proof).claims }),
    "x-job-id": jobId,
  };
};
