import { usageReceiptsAbi } from "@tac/contracts/abi";
import { Line } from "@tac/protocol";
import { decodeFunctionData, type Hex } from "viem";
import type { SettledBatch } from "../verify/ChainReader.ts";
import type { BillingEvent } from "./events.ts";

/**
 * The batches one transaction settled, from its events in log order: BatchCommitted opens a batch, LineSettled events
 * follow in the order of its lines, BatchSettled ends it. `input` is the transaction's calldata.
 */
export function settledBatches(events: readonly BillingEvent[], input: Hex | null): SettledBatch[] {
  const batches: SettledBatch[] = [];
  for (const event of [...events].sort((left, right) => left.logIndex - right.logIndex)) {
    const open = batches.at(-1);
    if (event.name === "BatchCommitted")
      batches.push({ committed: event, lines: [], settled: null, signature: null });
    else if (event.name === "LineSettled" && open?.settled === null) open.lines.push({ event, line: null });
    else if (event.name === "BatchSettled" && open?.settled === null) open.settled = event;
  }
  const submitted = input === null ? null : decodeSubmit(input);
  const only = batches.length === 1 ? batches[0] : undefined;
  // The lines' hash is in the signed header, so matching calldata is as good as the events themselves.
  if (
    submitted !== null &&
    only !== undefined &&
    Line.hash(submitted.lines) === only.committed.header.linesHash
  ) {
    only.lines = only.lines.map((settled, index) => ({ ...settled, line: submitted.lines[index] ?? null }));
    only.signature = submitted.signature;
  }
  return batches;
}

function decodeSubmit(input: Hex): { lines: Line.Line[]; signature: Hex } | null {
  try {
    const call = decodeFunctionData({ abi: usageReceiptsAbi, data: input });
    if (call.functionName !== "submit") return null;
    const [, lines, signature] = call.args;
    return { lines: lines.map(({ jobId, terms }) => ({ jobId, ...Line.unpackTerms(terms) })), signature };
  } catch {
    // Calldata of another contract that calls `submit` inside; the events alone say what was settled.
    return null;
  }
}
