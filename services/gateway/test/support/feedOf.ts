import type { Pool } from "@tac/kit";
import { FeedEvent, Wire } from "@tac/protocol";
import { expect } from "vitest";
import { readPage } from "../../src/feed/feedStore.ts";
import { gatewayAddress } from "./identities.ts";

/** The verified feed of the gateway under test, or the part of it about one job. */
export async function feedOf(pool: Pool, jobId: string | null): Promise<FeedEvent.FeedEvent[]> {
  const page = await readPage(pool, gatewayAddress, 0n, 10_000);
  const events = page.events.map((event) => Wire.parse(FeedEvent.schema, event));
  const start = { gateway: gatewayAddress, seq: 0n, hash: FeedEvent.FIRST_PREVIOUS_HASH };
  const head = FeedEvent.verifyChain(events, start);
  expect({ seq: head.seq, hash: head.hash }).toEqual({ seq: page.head.seq, hash: page.head.hash });
  return jobId === null ? events : events.filter((event) => jobOf(event) === jobId);
}

function jobOf(event: FeedEvent.FeedEvent): string {
  if (event.kind === "job-opened") return event.body.capability.jobId;
  return event.kind === "usage" ? event.body.receipt.jobId : event.body.jobId;
}
