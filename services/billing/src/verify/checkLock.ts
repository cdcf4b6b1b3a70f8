import { isAddressEqual } from "viem";
import type { Context } from "./Context.ts";

/** Checks the lock the job was paid from, that it is closed, and a release by time-out if there was one. */
export function checkLock({ invoice, evidence, report }: Context): void {
  const locked = evidence.job.locked[0];
  if (locked === undefined) {
    report("lock", "lock_not_on_chain", `the vault never locked credit for job ${invoice.jobId}`);
    return;
  }
  const differences: [string, unknown, unknown][] = [
    ["lock.transactionHash", invoice.lock.transactionHash, locked.transactionHash],
    ["lock.blockNumber", invoice.lock.blockNumber, locked.blockNumber],
    ["lock.maxSpendNano", invoice.lock.maxSpendNano, locked.maxSpendNano],
    ["capabilityHash", invoice.capabilityHash, locked.capabilityHash],
    ["quoteHash", invoice.quoteHash, locked.quoteHash],
  ];
  for (const [path, stated, actual] of differences) {
    if (stated !== actual) report(path, "lock_mismatch", `the invoice says ${stated}, the chain ${actual}`);
  }
  if (!isAddressEqual(invoice.tenant, locked.tenant))
    report("tenant", "lock_mismatch", `the credit was locked by ${locked.tenant}`);
  if (evidence.lock.state !== "closed")
    report("jobId", "job_not_final", `the lock is ${evidence.lock.state}; more may still be settled`);
  checkRelease({ invoice, evidence, report });
}

function checkRelease({ invoice, evidence, report }: Pick<Context, "invoice" | "evidence" | "report">): void {
  const released = evidence.job.released[0];
  const stated = invoice.release;
  if (stated === null) {
    if (released !== undefined)
      report(
        "release",
        "missing_release",
        `transaction ${released.transactionHash} released ${released.releasedNano}, which the invoice leaves out`,
      );
    return;
  }
  if (released === undefined) {
    report("release", "release_mismatch", "the vault logged no release of this job");
    return;
  }
  const differences: [string, unknown, unknown][] = [
    ["transactionHash", stated.transactionHash, released.transactionHash],
    ["blockNumber", stated.blockNumber, released.blockNumber],
    ["releasedNano", stated.releasedNano, released.releasedNano],
  ];
  for (const [name, claimed, actual] of differences) {
    if (claimed !== actual)
      report(`release.${name}`, "release_mismatch", `the invoice says ${claimed}, the chain ${actual}`);
  }
}
