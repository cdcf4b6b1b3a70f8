import type { PeerCertificate } from "@tac/kit";
import { DpopProof, type Hex, UsageReceipt, type UsageReport } from "@tac/protocol";
import type { Headers, Verifier } from "@tac/verifier";
import { assertGatewayCertificate } from "./assertGatewayCertificate.ts";
import type { AuthorityWatch } from "./watchAuthority.ts";

export type Count = { inputTokens: number; cachedInputTokens: number; outputTokens: number };

/** A call that passed; signs the provider's own count of it, or gives none when no report is wanted. */
export type GuardedCall = { report: (count: Count) => UsageReport.SignedUsageReport | undefined };

export type Guard = (call: {
  headers: Headers;
  model: string;
  body: string | undefined;
  /** Of the connection; null without one. */
  certificate: PeerCertificate | null;
}) => GuardedCall;

/** Lets every call with the API key pass and signs nothing: an ordinary OpenAI-compatible provider. */
export const openGuard: Guard = () => ({ report: () => undefined });

/** Refuses calls that no enrolled gateway forwards for an unrevoked job, and countersigns those it serves. */
export const createGuard =
  ({
    verifier,
    watch,
    providerId,
    signingKey,
    reports,
    demandsCertificate = false,
  }: {
    verifier: Verifier;
    watch: Pick<AuthorityWatch, "assertFresh"> | undefined;
    providerId: number;
    signingKey: Hex;
    reports: boolean;
    /** True: the connection must be that of the gateway which issued the token. */
    demandsCertificate?: boolean;
  }): Guard =>
  ({ headers, model, body, certificate }) => {
    watch?.assertFresh();
    const { receiptId, jobId } = verifier.verify({
      headers,
      model,
      ...(body === undefined ? {} : { bodyHash: DpopProof.bodyHash(body) }),
      assertForwarder: (gateway) => {
        if (demandsCertificate) assertGatewayCertificate(certificate, gateway);
      },
    });
    return {
      report: ({ inputTokens, cachedInputTokens, outputTokens }) =>
        reports
          ? verifier.countersign({
              privateKey: signingKey,
              report: {
                receiptId,
                jobId,
                providerId,
                modelHash: UsageReceipt.modelHash(model),
                inputTokens: BigInt(inputTokens),
                cachedInputTokens: BigInt(cachedInputTokens),
                outputTokens: BigInt(outputTokens),
                requests: 1n,
                durationMs: 0n,
              },
            })
          : undefined,
    };
  };
