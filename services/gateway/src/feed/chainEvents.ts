import { FeedEvent } from "@tac/protocol";

export type FeedPosition = FeedEvent.FeedHead & { recordedAtMs: bigint };

/**
 * Numbers and links bodies after a head. Times never run backwards within a feed, whatever the clock does.
 */
export function chainEvents(
  head: FeedPosition,
  bodies: readonly FeedEvent.FeedBody[],
  nowMs: number,
): FeedEvent.FeedEvent[] {
  const recordedAtMs = BigInt(nowMs) > head.recordedAtMs ? BigInt(nowMs) : head.recordedAtMs;
  let previousHash = head.hash;
  return bodies.map((body, index) => {
    const event = FeedEvent.create({
      ...body,
      gateway: head.gateway,
      seq: head.seq + BigInt(index + 1),
      recordedAtMs,
      previousHash,
    });
    previousHash = event.hash;
    return event;
  });
}

/** Where a feed stands after these events. */
export function positionAfter(head: FeedPosition, events: readonly FeedEvent.FeedEvent[]): FeedPosition {
  const last = events.at(-1);
  if (last === undefined) return head;
  const { gateway, seq, hash, recordedAtMs } = last;
  return { gateway, seq, hash, recordedAtMs };
}
