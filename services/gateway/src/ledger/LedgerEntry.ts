import { createHash } from "node:crypto";

/** One entry as it is stored: it takes from one account of its job and gives to another. Amounts in nanocredits. */
export type LedgerEntry = {
  job_id: Buffer;
  entry_number: bigint;
  call_id: Buffer | null;
  kind: "lock" | "hold" | "capture" | "release";
  debit_account: string;
  credit_account: string;
  amount_nano: bigint;
  recorded_at_ms: bigint;
  /** Of the link that this entry ends; null inside a link. */
  hash: Buffer | null;
};

/** What the call of an entry says; null for the entry of a lock, and for a call that is not there. */
export type EntryCall = { hold_nano: bigint; cost_nano: bigint | null; provider_id: bigint; state: string };

/** Hash of a link: SHA-256 of the link before and of the fields of its entries, each ended by a line feed. */
export function linkHash(previous: Uint8Array, entries: readonly LedgerEntry[]): Buffer {
  const hash = createHash("sha256").update(previous);
  for (const entry of entries) {
    const fields = [
      entry.job_id.toString("hex"),
      entry.entry_number,
      entry.call_id?.toString("hex") ?? "",
      entry.kind,
      entry.debit_account,
      entry.credit_account,
      entry.amount_nano,
      entry.recorded_at_ms,
    ];
    hash.update(fields.map((field) => `${field}\n`).join(""));
  }
  return hash.digest();
}

/** What is wrong with an entry beside its call, or null. */
export function contradictionOf(entry: LedgerEntry, call: EntryCall | null): string | null {
  if (entry.kind === "lock") return accountsOf(entry, "lock", "available");
  if (call === null) return "has no call";
  const costNano = call.state === "captured" ? (call.cost_nano ?? 0n) : 0n;
  switch (entry.kind) {
    case "hold":
      return accountsOf(entry, "available", "held") ?? amountOf(entry, call.hold_nano);
    case "capture":
      return accountsOf(entry, "held", `provider:${call.provider_id}`) ?? amountOf(entry, costNano);
    case "release":
      return accountsOf(entry, "held", "available") ?? amountOf(entry, call.hold_nano - costNano);
  }
}

function accountsOf(entry: LedgerEntry, debit: string, credit: string): string | null {
  if (entry.debit_account === debit && entry.credit_account === credit) return null;
  return `goes from ${entry.debit_account} to ${entry.credit_account}, not from ${debit} to ${credit}`;
}

function amountOf(entry: LedgerEntry, expectedNano: bigint): string | null {
  return entry.amount_nano === expectedNano ? null : `says ${entry.amount_nano}, its call ${expectedNano}`;
}
