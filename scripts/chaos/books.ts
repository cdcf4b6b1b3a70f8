import { settlementTreasuryAbi, usageReceiptsAbi } from "@tac/contracts/abi";
import type { BatchBody } from "@tac/oracle-agg";
import { BatchHeader, Deployment, Line, MerkleTree, Sources, UsageReceipt } from "@tac/protocol";
import { type Hex, parseEventLogs } from "viem";
import { withDatabase } from "../spending/audit.ts";
import { aggregatorIds } from "../stack/layout.ts";
import type { Stack } from "../stack/Stack.ts";
import type { BlockWatch } from "./BlockWatch.ts";
import type { ReplicaId } from "./Network.ts";
import { readBatch } from "./Scene.ts";

/** A receipt in the gateway's feed. */
export type FedReceipt = { receiptId: Hex; jobId: Hex; costNano: bigint; occurredAtMs: number };

export const readFed = (stack: Stack): Promise<FedReceipt[]> =>
  withDatabase(stack, async (client) => {
    const { rows } = await client.query<{ receipt: unknown }>(
      "SELECT event -> 'body' -> 'receipt' AS receipt FROM feed_events WHERE event ->> 'kind' = 'usage' ORDER BY seq",
    );
    return rows.map((row) => {
      const { receiptId, jobId, costNano, occurredAtMs } = UsageReceipt.schema.parse(row.receipt);
      return { receiptId, jobId, costNano, occurredAtMs: Number(occurredAtMs) };
    });
  });

/** A batch that the chain has at the end. */
export type CommittedBatch = {
  batchNumber: bigint;
  batchHash: Hex;
  header: BatchHeader.BatchHeader;
  /** When the harness first saw its block, or, had it not, the block's own time; Unix ms. */
  settledAtMs: number;
};

export type PaidLine = { jobId: Hex; providerId: number; paidNano: bigint; status: Line.LineStatus };

/** Everything the chain has settled, in its order. */
export const readSettled = async (
  { chain: { client }, deployment }: Stack,
  watch: BlockWatch,
): Promise<{ batches: CommittedBatch[]; lines: PaidLine[] }> => {
  const logs = await client.getLogs({
    address: [deployment.usageReceipts, deployment.settlementTreasury],
    fromBlock: deployment.startBlock,
  });
  const batches: CommittedBatch[] = [];
  for (const { args, blockHash, blockNumber } of parseEventLogs({
    abi: usageReceiptsAbi,
    logs,
    eventName: "BatchCommitted",
  })) {
    const { batchNumber, batchHash, header } = args;
    const settledAtMs =
      watch.seenAtMs(blockHash) ?? Number((await client.getBlock({ blockNumber })).timestamp) * 1_000;
    batches.push({ batchNumber, batchHash, header, settledAtMs });
  }
  const settled = parseEventLogs({ abi: settlementTreasuryAbi, logs, eventName: "LineSettled" });
  const lines = settled.map(({ args: { jobId, providerId, outcome } }) => {
    const { paidNano, status } = Line.unpackOutcome(outcome);
    return { jobId, providerId, paidNano, status };
  });
  return { batches, lines };
};

/** What one replica serves of one batch: its receipts, and how it differs from what the chain committed. */
export type ServedBatch = {
  replica: ReplicaId;
  batchNumber: bigint;
  receiptIds: readonly Hex[];
  problems: readonly string[];
};

const lineKey = ({ jobId, providerId }: { jobId: Hex; providerId: number }): string =>
  `${providerId} ${jobId}`;

/** How a batch's lines differ from the sums of its receipts. */
const linesProblem = ({ lines, receipts }: BatchBody): string | null => {
  const sums = new Map<string, { amountNano: bigint; count: number }>();
  for (const { receipt } of receipts) {
    const { amountNano, count } = sums.get(lineKey(receipt)) ?? { amountNano: 0n, count: 0 };
    sums.set(lineKey(receipt), { amountNano: amountNano + receipt.costNano, count: count + 1 });
  }
  const differs = lines.some((line) => {
    const { amountNano, count } = sums.get(lineKey(line)) ?? { amountNano: 0n, count: 0 };
    return amountNano !== line.amountNano || count !== line.receiptCount;
  });
  const known = new Set(lines.map(lineKey));
  return differs || [...sums.keys()].some((key) => !known.has(key))
    ? "its lines are not the sums of its receipts"
    : null;
};

/** Recomputes everything that the chain's header says of a batch from what a replica serves of it. */
export const problemsOfBody = (
  body: BatchBody,
  { batchHash, header }: Pick<CommittedBatch, "batchHash" | "header">,
  domain: ReturnType<typeof Deployment.domains>["usageReceipts"],
): string[] => {
  const leaves = body.receipts.map(({ receipt }) => UsageReceipt.leaf(receipt));
  const checks: readonly (readonly [boolean, string])[] = [
    [BatchHeader.hash(body.header, domain) !== batchHash, "its header is not the one on chain"],
    [
      leaves.length > 0 && MerkleTree.root(leaves) !== header.receiptsRoot,
      "its receipts do not give the Merkle root on chain",
    ],
    [leaves.length !== header.receiptCount, `it has ${leaves.length} receipts for ${header.receiptCount}`],
    [Line.hash(body.lines) !== header.linesHash, "its lines are not those on chain"],
    [Sources.hash(body.sources) !== header.sourcesHash, "its sources are not those on chain"],
  ];
  const lines = linesProblem(body);
  return [
    ...checks.filter(([isWrong]) => isWrong).map(([, text]) => text),
    ...(lines === null ? [] : [lines]),
  ];
};

/** Asks every replica for every batch. */
export const readServed = async (
  stack: Stack,
  batches: readonly CommittedBatch[],
): Promise<ServedBatch[]> => {
  const domain = Deployment.domains(stack.deployment).usageReceipts;
  const served: ServedBatch[] = [];
  for (const batch of batches) {
    const { batchNumber } = batch;
    const answers = await Promise.all(
      aggregatorIds.map(async (replica): Promise<ServedBatch> => {
        const body = await readBatch(stack, replica, batchNumber);
        if (body === null) return { replica, batchNumber, receiptIds: [], problems: ["it does not have it"] };
        const receiptIds = body.receipts.map(({ receipt }) => receipt.receiptId);
        return { replica, batchNumber, receiptIds, problems: problemsOfBody(body, batch, domain) };
      }),
    );
    served.push(...answers);
  }
  return served;
};
