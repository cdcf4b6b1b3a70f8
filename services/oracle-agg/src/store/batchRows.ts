import { bigintArray, type Transaction, textArray } from "@tac/kit";
import { BatchHeader, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import type { ChainEvent } from "../chain/ChainPort.ts";

import { TAKE_BACK } from "./batchSql.ts";

export type Committed = {
  batchHash: Hex;
  header: BatchHeader.BatchHeader;
  transactionHash: Hex;
  blockNumber: bigint;
};

export type CommittedRow = {
  batch_number: bigint;
  batch_hash: Hex;
  header: unknown;
  transaction_hash: Hex;
  block_number: bigint;
  sources: unknown;
  lines: unknown;
  signature: Hex | null;
  partials: unknown;
};

export const toCommitted = (row: CommittedRow): Committed => ({
  batchHash: row.batch_hash,
  header: Wire.parse(BatchHeader.schema, row.header),
  transactionHash: row.transaction_hash,
  blockNumber: row.block_number,
});

export const insertLock = (transaction: Transaction, event: ChainEvent & { kind: "locked" }) =>
  transaction.query("INSERT INTO locks VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", [
    event.jobId,
    event.capabilityHash,
    event.blockNumber,
  ]);

/** Whether another batch of the same number was applied than the one the chain has now. */
export const isOtherApplied = async (
  transaction: Transaction,
  { header, batchHash }: ChainEvent & { kind: "batch-committed" },
): Promise<boolean> => {
  const { rowCount } = await transaction.query(
    "SELECT 1 FROM committed_batches WHERE batch_number = $1 AND batch_hash <> $2",
    [header.batchNumber, batchHash],
  );
  return (rowCount ?? 0) > 0;
};

/** Undoes the application of a batch and of all behind it. */
export const takeBack = async (transaction: Transaction, batchNumber: bigint): Promise<void> => {
  for (const statement of TAKE_BACK) await transaction.query(statement, [batchNumber]);
};

/** A batch that a reorganisation dropped comes again in another transaction, which is the one that counts then. */
export const insertCommitted = (transaction: Transaction, event: ChainEvent & { kind: "batch-committed" }) =>
  transaction.query(
    `INSERT INTO committed_batches (batch_number, batch_hash, header, transaction_hash, block_number)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (batch_number) DO UPDATE SET transaction_hash = excluded.transaction_hash,
       block_number = excluded.block_number WHERE committed_batches.batch_hash = excluded.batch_hash`,
    [
      event.header.batchNumber,
      event.batchHash,
      JSON.stringify(BatchHeader.toJson(event.header)),
      event.transactionHash,
      event.blockNumber,
    ],
  );

/** What became of the lines of one batch. Of a line that stands twice, which the chain does not pay twice, the last. */
export const insertOutcomes = (
  transaction: Transaction,
  batchNumber: bigint,
  settled: readonly (ChainEvent & { kind: "line-settled" })[],
) => {
  const lines = [...new Map(settled.map((line) => [`${line.jobId} ${line.providerId}`, line])).values()];
  return transaction.query(
    `INSERT INTO line_outcomes
     SELECT $1, job_id, provider_id, outcome::numeric FROM unnest($2::text[], $3::bigint[], $4::text[])
       AS line(job_id, provider_id, outcome)
     ON CONFLICT (batch_number, job_id, provider_id) DO UPDATE SET outcome = excluded.outcome`,
    [
      batchNumber,
      textArray(lines.map(({ jobId }) => jobId)),
      bigintArray(lines.map(({ providerId }) => providerId)),
      textArray(lines.map(({ outcome }) => outcome.toString())),
    ],
  );
};
