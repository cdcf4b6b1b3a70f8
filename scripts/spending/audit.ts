import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Hex } from "viem";
import type { Stack } from "../stack/Stack.ts";

/** What the gateway's database says of one job. Amounts in nanocredits. */
export type JobAudit = {
  jobId: Hex;
  lockedNano: bigint;
  spentNano: bigint;
  heldNano: bigint;
  /** Sum of the costs of its charged calls. */
  chargedNano: bigint;
  charged: number;
  released: number;
  running: number;
  /** Receipts in the feed that aggregators read, and the sum of their costs. */
  receipts: number;
  receiptsNano: bigint;
  /** Idempotency keys that were charged more than once. */
  chargedTwice: number;
};

const query = `
  SELECT j.max_spend_nano::text AS locked, j.spent_nano::text AS spent, j.held_nano::text AS held,
         (SELECT coalesce(sum(cost_nano), 0)::text FROM calls c WHERE c.job_id = j.job_id AND state = 'captured') AS charged_nano,
         (SELECT count(*)::int FROM calls c WHERE c.job_id = j.job_id AND state = 'captured') AS charged,
         (SELECT count(*)::int FROM calls c WHERE c.job_id = j.job_id AND state = 'released') AS released,
         (SELECT count(*)::int FROM calls c WHERE c.job_id = j.job_id AND ended_at_ms IS NULL) AS running,
         (SELECT count(*)::int FROM (
            SELECT idempotency_key FROM calls c
             WHERE c.job_id = j.job_id AND state = 'captured' AND idempotency_key IS NOT NULL
             GROUP BY idempotency_key HAVING count(*) > 1) twice) AS charged_twice,
         (SELECT count(DISTINCT event -> 'body' -> 'receipt' ->> 'receiptId')::int FROM feed_events
           WHERE event ->> 'kind' = 'usage' AND event -> 'body' -> 'receipt' ->> 'jobId' = $2) AS receipts,
         (SELECT coalesce(sum((event -> 'body' -> 'receipt' ->> 'costNano')::numeric), 0)::text FROM feed_events
           WHERE event ->> 'kind' = 'usage' AND event -> 'body' -> 'receipt' ->> 'jobId' = $2) AS receipts_nano
    FROM jobs j WHERE j.job_id = $1`;

type Row = {
  locked: string;
  spent: string;
  held: string;
  charged_nano: string;
  charged: number;
  released: number;
  running: number;
  charged_twice: number;
  receipts: number;
  receipts_nano: string;
};

/** Only the database of a stack is looked at. */
type Books = Pick<Stack, "databaseUrl">;

export const withDatabase = async <Result>(
  stack: Books,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> => {
  const client = new pg.Client(stack.databaseUrl("gateway"));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

export const auditJob = (stack: Books, jobId: Hex): Promise<JobAudit> =>
  withDatabase(stack, async (client) => {
    const { rows } = await client.query<Row>(query, [Buffer.from(jobId.slice(2), "hex"), jobId]);
    const [row] = rows;
    if (row === undefined) throw new Error(`The gateway does not know the job ${jobId}.`);
    return {
      jobId,
      lockedNano: BigInt(row.locked),
      spentNano: BigInt(row.spent),
      heldNano: BigInt(row.held),
      chargedNano: BigInt(row.charged_nano),
      charged: row.charged,
      released: row.released,
      running: row.running,
      receipts: row.receipts,
      receiptsNano: BigInt(row.receipts_nano),
      chargedTwice: row.charged_twice,
    };
  });

const RECOVERY_MS = 120_000;

/** Waits until no call of the job runs any more: crashed replicas' calls are ended by those that are left. */
export const auditAtRest = async (stack: Books, jobId: Hex): Promise<JobAudit> => {
  for (const deadline = Date.now() + RECOVERY_MS; ; await sleep(500)) {
    const audit = await auditJob(stack, jobId);
    if ((audit.running === 0 && audit.heldNano === 0n) || Date.now() > deadline) return audit;
  }
};

/** How far the job spent above its lock, in nanocredits. */
export const overspendOf = ({ spentNano, receiptsNano, lockedNano }: JobAudit): bigint => {
  const most = spentNano > receiptsNano ? spentNano : receiptsNano;
  return most > lockedNano ? most - lockedNano : 0n;
};

/** Every way in which the books of a job at rest can be wrong. */
export const problemsOf = (audit: JobAudit): string[] => {
  const name = `job ${audit.jobId.slice(0, 10)}`;
  const checks: readonly (readonly [boolean, string])[] = [
    [overspendOf(audit) > 0n, `${name} spent ${overspendOf(audit)} nanocredits above its lock`],
    [audit.heldNano !== 0n, `${name} has ${audit.heldNano} nanocredits held by nobody`],
    [audit.running !== 0, `${name} has ${audit.running} calls that nobody ended`],
    [
      audit.chargedNano !== audit.spentNano,
      `${name}: its calls cost ${audit.chargedNano}, its balance says ${audit.spentNano}`,
    ],
    [
      audit.receiptsNano !== audit.spentNano,
      `${name}: its receipts say ${audit.receiptsNano}, its balance ${audit.spentNano}`,
    ],
    [
      audit.receipts !== audit.charged,
      `${name} has ${audit.receipts} receipts for ${audit.charged} charged calls`,
    ],
    [audit.chargedTwice !== 0, `${name} charged ${audit.chargedTwice} idempotency keys twice`],
  ];
  return checks.filter(([isWrong]) => isWrong).map(([, text]) => text);
};
