import { setTimeout as sleep } from "node:timers/promises";
import { type Invoice, ProtocolError } from "@tac/protocol";
import type { Client, Job } from "@tac/sdk";

/** Billing follows the chain a moment behind: asks again while it answers `not_settled`. */
export const awaitInvoice = async (
  credits: Client,
  job: Job,
  timeoutMs = 60_000,
): Promise<Invoice.Invoice> => {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await credits.invoice(job);
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.code !== "not_settled" || Date.now() > deadline)
        throw error;
      await sleep(300);
    }
  }
};
