import { setTimeout as sleep } from "node:timers/promises";
import { FetchError, fetchJson, type Logger } from "@tac/kit";
import { UsageReport } from "@tac/protocol";
import type { Dispatcher } from "undici";
import { z } from "zod";

/** How a count reaches the gateway: in the answer, by a call of its own, or not at all. */
export type ReportMode = "inline" | "emit" | "none";

export type Reporter = {
  mode: ReportMode;
  /** Posts the report; resolves when it is taken or given up. Does nothing unless the mode is `emit`. */
  emit: (signed: UsageReport.SignedUsageReport) => Promise<void>;
};

const attempts = 3;
const timeoutMs = 2_000;

export const createReporter = ({
  mode,
  gatewayUrl,
  dispatcher,
  logger,
}: {
  mode: ReportMode;
  gatewayUrl?: string | undefined;
  /** Connections to the gateway; the global ones when absent. */
  dispatcher?: Dispatcher | undefined;
  logger: Logger;
}): Reporter => {
  const post = async (url: string, signed: UsageReport.SignedUsageReport): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const body = UsageReport.toJson(signed);
        await fetchJson(url, { schema: z.unknown(), body, timeoutMs, ...(dispatcher && { dispatcher }) });
        return;
      } catch (error) {
        const isLast = attempt === attempts || !(error instanceof FetchError) || !error.retryable;
        logger.warn(
          { err: error, receiptId: signed.report.receiptId, attempt, isLast },
          "a usage report was not taken",
        );
        if (isLast) return;
        await sleep(100 * 2 ** attempt);
      }
    }
  };
  return {
    mode,
    emit: async (signed) => {
      if (mode === "emit" && gatewayUrl !== undefined)
        await post(new URL("/v1/usage/emit", gatewayUrl).href, signed);
    },
  };
};
