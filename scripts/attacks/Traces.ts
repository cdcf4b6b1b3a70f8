import pg from "pg";
import { providerIds } from "../stack/layout.ts";
import { readMetrics } from "../stack/readMetrics.ts";
import type { Stack } from "../stack/Stack.ts";

/** What an attack must not change: credit held, calls stored, and requests that a provider got, or served. */
export type Traces = { heldNano: string; calls: string; forwarded: number; served: number };

const POSTS = /^http_request_ms_count\{[^}]*method="POST"[^}]*\} (\d+)$/gm;
const SERVED = /status="2\d\d"/;

const countPosts = async (stack: Stack): Promise<Pick<Traces, "forwarded" | "served">> => {
  const metrics = await Promise.all(providerIds.map((id) => readMetrics(stack, `provider-sim-${id}`)));
  const posts = metrics.flatMap((text) => [...text.matchAll(POSTS)]);
  const sum = (of: typeof posts): number => of.reduce((total, [, count]) => total + Number(count), 0);
  return { forwarded: sum(posts), served: sum(posts.filter(([line]) => SERVED.test(line))) };
};

export const readTraces = async (stack: Stack): Promise<Traces> => {
  const client = new pg.Client(stack.databaseUrl("gateway"));
  await client.connect();
  try {
    const { rows } = await client.query<{ heldNano: string; calls: string }>(
      `SELECT (SELECT coalesce(sum(held_nano), 0)::text FROM jobs) AS "heldNano",
              (SELECT count(*)::text FROM calls) AS calls`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error("The gateway's database gave no row.");
    return { ...row, ...(await countPosts(stack)) };
  } finally {
    await client.end();
  }
};
