import { contradictionOf, type EntryCall, type LedgerEntry, linkHash } from "./LedgerEntry.ts";

/** The job's row, which its ledger must add up to. Amounts in nanocredits. */
export type JobBalances = {
  max_spend_nano: bigint;
  held_nano: bigint;
  spent_nano: bigint;
  ledger_count: bigint;
  ledger_hash: Buffer;
};

/**
 * Recomputes the ledger of one job from its entries, given in the order of their numbers: chain, accounts, and each
 * entry beside its call.
 */
export class JobLedger {
  /** Human-readable; empty when everything agrees. */
  readonly problems: string[] = [];
  /** Balance of each account; `lock` is the negative of what was locked. */
  readonly balances = new Map<string, bigint>();
  entryCount = 0;
  #link: LedgerEntry[] = [];
  #previous: Buffer = Buffer.alloc(32);
  #expectedNumber = 1n;

  add(entry: LedgerEntry, call: EntryCall | null): void {
    this.entryCount += 1;
    const { entry_number: number, hash } = entry;
    for (; this.#expectedNumber < number; this.#expectedNumber += 1n) {
      this.problems.push(`entry ${this.#expectedNumber} is missing`);
    }
    this.#expectedNumber = number + 1n;
    const contradiction = contradictionOf(entry, call);
    if (contradiction !== null) this.problems.push(`entry ${number} ${contradiction}`);
    this.#move(entry.debit_account, -entry.amount_nano);
    this.#move(entry.credit_account, entry.amount_nano);
    this.#link.push(entry);
    if (hash !== null) this.#seal(hash);
  }

  /** Compares what was added with the job's row. */
  end(job: JobBalances): void {
    for (; this.#expectedNumber <= job.ledger_count; this.#expectedNumber += 1n) {
      this.problems.push(`entry ${this.#expectedNumber} is missing`);
    }
    const [unsealed] = this.#link;
    if (unsealed !== undefined) this.problems.push(`entry ${unsealed.entry_number} is in no link`);
    else if (!job.ledger_hash.equals(this.#previous)) {
      this.problems.push("the last link is not the job's");
    }
    const paidNano = [...this.balances].reduce(
      (sum, [account, nano]) => (account.startsWith("provider:") ? sum + nano : sum),
      0n,
    );
    const expected: [string, bigint, bigint][] = [
      ["lock", this.#of("lock"), -job.max_spend_nano],
      ["held", this.#of("held"), job.held_nano],
      ["providers", paidNano, job.spent_nano],
      ["available", this.#of("available"), job.max_spend_nano - job.held_nano - job.spent_nano],
    ];
    for (const [account, actualNano, wantedNano] of expected) {
      if (actualNano !== wantedNano)
        this.problems.push(`${account} is ${actualNano}, the job says ${wantedNano}`);
    }
  }

  /** What was altered inside a link shows in its hash; the entries after it are judged from the stored hash on. */
  #seal(hash: Buffer): void {
    const [first, last] = [this.#link[0], this.#link.at(-1)];
    if (!linkHash(this.#previous, this.#link).equals(hash)) {
      const range =
        first === last
          ? `entry ${first?.entry_number}`
          : `entries ${first?.entry_number} to ${last?.entry_number}`;
      this.problems.push(`${range}: altered, removed or reordered`);
    }
    this.#previous = hash;
    this.#link = [];
  }

  #of(account: string): bigint {
    return this.balances.get(account) ?? 0n;
  }

  #move(account: string, amountNano: bigint): void {
    this.balances.set(account, this.#of(account) + amountNano);
  }
}
