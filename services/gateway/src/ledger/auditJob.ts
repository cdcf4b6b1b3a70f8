import { createHash } from "node:crypto";
import type { Pool } from "@tac/kit";
import type { Hex } from "viem";
import { bytesOf, hexOf } from "./bytes.ts";

export type LedgerAudit = {
  entryCount: number;
  /** Balance of each account, in nanocredits; `lock` is the negative of what was locked. */
  balances: ReadonlyMap<string, bigint>;
  /** Human-readable; empty when chain, sums and the job's row agree. */
  problems: string[];
};

type EntryRow = {
  entry_number: bigint;
  call_id: Buffer | null;
  kind: string;
  debit_account: string;
  credit_account: string;
  amount_nano: bigint;
  recorded_at_ms: bigint;
  previous_hash: Buffer;
  hash: Buffer;
};

/** Recomputes a job's ledger from its entries alone and compares it with the job's row. */
export async function auditJob(pool: Pool, jobId: Hex): Promise<LedgerAudit> {
  const { rows: entries } = await pool.query<EntryRow>(
    "SELECT * FROM ledger_entries WHERE job_id = $1 ORDER BY entry_number",
    [bytesOf(jobId)],
  );
  const { rows: jobs } = await pool.query<{
    held_nano: bigint;
    spent_nano: bigint;
    max_spend_nano: bigint;
    ledger_count: bigint;
    ledger_hash: Buffer;
  }>("SELECT * FROM jobs WHERE job_id = $1", [bytesOf(jobId)]);
  const problems: string[] = [];
  const balances = new Map<string, bigint>();
  let previous: Buffer = Buffer.alloc(32);
  let expectedNumber = 1n;
  for (const entry of entries) {
    if (entry.entry_number !== expectedNumber) problems.push(`entry ${expectedNumber} is missing`);
    if (!entry.previous_hash.equals(previous)) problems.push(`entry ${entry.entry_number} breaks the chain`);
    if (!entry.hash.equals(linkOf(jobId, entry))) problems.push(`entry ${entry.entry_number} was altered`);
    add(balances, entry.debit_account, -entry.amount_nano);
    add(balances, entry.credit_account, entry.amount_nano);
    previous = entry.hash;
    expectedNumber = entry.entry_number + 1n;
  }
  const job = jobs[0];
  if (job === undefined)
    return { entryCount: entries.length, balances, problems: [...problems, "no such job"] };
  if (job.ledger_count !== BigInt(entries.length) || !job.ledger_hash.equals(previous)) {
    problems.push("the job's chain head is not the last entry");
  }
  const paidNano = [...balances].reduce(
    (sum, [name, nano]) => (name.startsWith("provider:") ? sum + nano : sum),
    0n,
  );
  const expected: [string, bigint, bigint][] = [
    ["lock", balances.get("lock") ?? 0n, -job.max_spend_nano],
    ["held", balances.get("held") ?? 0n, job.held_nano],
    ["providers", paidNano, job.spent_nano],
    ["available", balances.get("available") ?? 0n, job.max_spend_nano - job.held_nano - job.spent_nano],
  ];
  for (const [account, actualNano, wantedNano] of expected) {
    if (actualNano !== wantedNano) problems.push(`${account} is ${actualNano}, the job says ${wantedNano}`);
  }
  return { entryCount: entries.length, balances, problems };
}

function linkOf(jobId: Hex, entry: EntryRow): Buffer {
  const fields = [
    hexOf(bytesOf(jobId)).slice(2),
    entry.entry_number,
    entry.call_id?.toString("hex") ?? "",
    entry.kind,
    entry.debit_account,
    entry.credit_account,
    entry.amount_nano,
    entry.recorded_at_ms,
  ];
  return createHash("sha256")
    .update(entry.previous_hash)
    .update(fields.map((field) => `${field}\n`).join(""))
    .digest();
}

function add(balances: Map<string, bigint>, account: string, amountNano: bigint): void {
  balances.set(account, (balances.get(account) ?? 0n) + amountNano);
}
