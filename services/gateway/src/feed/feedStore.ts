import type { Pool, Transaction } from "@tac/kit";
import type { FeedEvent } from "@tac/protocol";
import type { Address } from "viem";
import { bytesOf, hexOf } from "../ledger/bytes.ts";
import type { FeedPosition, WrittenEvent } from "./chainEvents.ts";

type HeadRow = { seq: bigint; hash: Buffer; recorded_at_ms: bigint };

/** Creates the feed's head when the gateway has none yet. */
export async function ensureHead(pool: Pool, gateway: Address): Promise<void> {
  await pool.query("INSERT INTO feed_heads (gateway) VALUES ($1) ON CONFLICT DO NOTHING", [bytesOf(gateway)]);
}

/** The head; with `lock` no other writer can move it until the transaction ends. */
export async function readHead(
  connection: Pool | Transaction,
  gateway: Address,
  lock: boolean,
): Promise<FeedPosition> {
  const { rows } = await connection.query<HeadRow>(
    `SELECT seq, hash, recorded_at_ms FROM feed_heads WHERE gateway = $1 ${lock ? "FOR UPDATE" : ""}`,
    [bytesOf(gateway)],
  );
  const row = rows[0];
  if (row === undefined) throw new Error("The feed of this gateway has no head");
  return { gateway, seq: row.seq, hash: hexOf(row.hash), recordedAtMs: row.recorded_at_ms };
}

/** Parameters of `feed_append`. */
export function appendValues(head: FeedPosition, events: readonly WrittenEvent[]): unknown[] {
  const recordedAtMs = events.at(-1)?.event.recordedAtMs ?? head.recordedAtMs;
  return [
    bytesOf(head.gateway),
    head.seq,
    recordedAtMs,
    `[${events.map(({ text }) => text).join(",")}]`,
    events.map(({ event }) => bytesOf(event.hash)),
  ];
}

/** Events after a cursor as they are served, with the head of the same moment. */
export async function readPage(
  pool: Pool,
  gateway: Address,
  afterSeq: bigint,
  limit: number,
): Promise<{ events: unknown[]; head: FeedEvent.FeedHead }> {
  const { rows } = await pool.query<HeadRow & { events: unknown[] }>({
    name: "feed_page",
    text: `SELECT h.seq, h.hash, h.recorded_at_ms, coalesce(
              (SELECT json_agg(p.event ORDER BY p.seq)
                 FROM (SELECT event, seq FROM feed_events
                        WHERE gateway = h.gateway AND seq > $2 ORDER BY seq LIMIT $3) p), '[]') AS events
       FROM feed_heads h WHERE h.gateway = $1`,
    values: [bytesOf(gateway), afterSeq, limit],
  });
  const row = rows[0];
  if (row === undefined) throw new Error("The feed of this gateway has no head");
  return { events: row.events, head: { gateway, seq: row.seq, hash: hexOf(row.hash) } };
}
