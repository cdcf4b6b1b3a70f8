import { Header, UsageReceipt, UsageReport } from "@tac/protocol";
import type { Hex } from "viem";

import type { Harness } from "./harness.ts";
import { domains, providerKey } from "./identities.ts";

/** What the provider signs about the call it received last, of one request of 10 input and 3 output tokens unless said. */
export const signReport = (
  { provider }: Harness,
  counts: Partial<UsageReport.UsageReport>,
  key: Hex = providerKey,
): UsageReport.SignedUsageReport => {
  const headers = provider.received.at(-1)?.headers ?? {};
  const report: UsageReport.UsageReport = {
    receiptId: headers[Header.receiptId] as Hex,
    jobId: headers[Header.jobId] as Hex,
    providerId: 1,
    modelHash: UsageReceipt.modelHash("chat-1"),
    inputTokens: 10n,
    cachedInputTokens: 0n,
    outputTokens: 3n,
    requests: 1n,
    durationMs: 0n,
    ...counts,
  };
  return UsageReport.sign(report, domains.usageReceipts, key);
};
