import { settlementTreasuryAbi } from "@tac/contracts/abi";
import { Line } from "@tac/protocol";
import { type Hex, parseEventLogs } from "viem";
import { auditJob } from "../../spending/audit.ts";
import type { Harness } from "../Harness.ts";
import type { PhaseReport } from "./Phase.ts";

/** What the chain has paid out of each job's lock, fee included, by the events of the treasury. */
const readPaidNano = async ({ stack: { chain, deployment } }: Harness): Promise<Map<Hex, bigint>> => {
  const logs = await chain.client.getLogs({
    address: deployment.settlementTreasury,
    fromBlock: deployment.startBlock,
  });
  const paid = new Map<Hex, bigint>();
  for (const { args } of parseEventLogs({ abi: settlementTreasuryAbi, logs, eventName: "LineSettled" })) {
    paid.set(args.jobId, (paid.get(args.jobId) ?? 0n) + Line.unpackOutcome(args.outcome).paidNano);
  }
  return paid;
};

/** Closes every job and compares what the chain has paid for it with what the gateway has charged. */
export const settlement = async (harness: Harness): Promise<PhaseReport> => {
  const jobs = await harness.settle();
  const audits = await Promise.all(jobs.map(({ jobId }) => auditJob(harness.stack, jobId)));
  const paid = await readPaidNano(harness);
  const problems = audits
    .filter(({ jobId, spentNano }) => (paid.get(jobId) ?? 0n) !== spentNano)
    .map(
      ({ jobId, spentNano }) =>
        `job ${jobId.slice(0, 10)} spent ${spentNano}, the chain paid ${paid.get(jobId)}`,
    );
  return {
    name: "Settlement",
    figures: [
      ["jobs closed and settled", jobs.length],
      ["receipts", audits.reduce((sum, { receipts }) => sum + receipts, 0)],
      ["spent, in nanocredits", audits.reduce((sum, { spentNano }) => sum + spentNano, 0n)],
      ["paid on chain, in nanocredits", [...paid.values()].reduce((sum, nano) => sum + nano, 0n)],
    ],
    jobs: audits,
    problems,
  };
};
