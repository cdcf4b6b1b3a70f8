import { Constants, Wire } from "@tac/protocol";
import type { Hex } from "viem";

/** One entry of a task's trail. `body` holds hashes, amounts and ids, never a prompt or an answer. */
export type AuditRecord = {
  taskId: string;
  /** From 1, without gaps. */
  seq: number;
  kind: AuditKind;
  body: AuditBody;
  recordedAtMs: number;
  previousHash: Hex;
  hash: Hex;
};

export type AuditKind =
  | "received"
  | "redacted"
  | "planned"
  | "reserved"
  | "quoted"
  | "locked"
  | "called"
  | "closed"
  | "settled"
  | "failed";

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type AuditBody = { [name: string]: Json };

export const NO_RECORD: Hex = Constants.ZERO_BYTES32;

/** keccak256 of the RFC 8785 JSON of the record without `hash`. */
export function hashRecord(record: Omit<AuditRecord, "hash">): Hex {
  const { taskId, seq, kind, body, recordedAtMs, previousHash } = record;
  return Wire.hashJson({ taskId, seq, kind, body, recordedAtMs, previousHash });
}

/** The sequence number of the first record that does not follow from those before it; null when all do. */
export function firstBroken(records: readonly AuditRecord[]): number | null {
  let previousHash = NO_RECORD;
  for (const [index, record] of records.entries()) {
    const follows = record.seq === index + 1 && record.previousHash === previousHash;
    if (!follows || hashRecord(record) !== record.hash) return index + 1;
    previousHash = record.hash;
  }
  return null;
}
