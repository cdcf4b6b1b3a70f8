import { FeedEvent } from "@tac/protocol";

/** An event with the JSON text that is stored and served. */
export type WrittenEvent = ReturnType<typeof FeedEvent.createText>;

export type FeedPosition = FeedEvent.FeedHead & { recordedAtMs: bigint };

/**
 * Numbers and links bodies after a head. Times never run backwards within a feed, whatever the clock does.
 */
export function chainEvents(
  head: FeedPosition,
  bodies: readonly FeedEvent.FeedBody[],
  nowMs: number,
): WrittenEvent[] {
  const recordedAtMs = BigInt(nowMs) > head.recordedAtMs ? BigInt(nowMs) : head.recordedAtMs;
  let previousHash = head.hash;
  return bodies.map((body, index) => {
    const written = FeedEvent.createText({
      ...body,
      gateway: head.gateway,
      seq: head.seq + BigInt(index + 1),
      recordedAtMs,
      previousHash,
    });
    previousHash = written.event.hash;
    return written;
  });
}

/** Where a feed stands after these events. */
export function positionAfter(head: FeedPosition, events: readonly WrittenEvent[]): FeedPosition {
  const last = events.at(-1)?.event;
  if (last === undefined) return head;
  const { gateway, seq, hash, recordedAtMs } = last;
  return { gateway, seq, hash, recordedAtMs };
}
