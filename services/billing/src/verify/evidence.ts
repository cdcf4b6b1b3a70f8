import type { Invoice } from "@tac/protocol";
import type { Hex } from "viem";
import type { ChainLock, ChainReader, ChainTransaction, GatewayTerm, JobEvents } from "./ChainReader.ts";

/** Everything the chain says that bears on one invoice, so that the checks themselves do no I/O. */
export type Evidence = {
  chainId: number;
  transactions: ReadonlyMap<string, ChainTransaction | null>;
  roots: ReadonlyMap<string, Hex>;
  keyHashes: ReadonlyMap<string, Hex | null>;
  tariffHashes: ReadonlyMap<string, Hex>;
  gateways: ReadonlyMap<string, GatewayTerm>;
  lock: ChainLock;
  job: JobEvents;
};

export const batchKey = (laneId: number, batchNumber: bigint) => `${laneId}/${batchNumber}`;
export const epochKey = (laneId: number, keyEpoch: number) => `${laneId}/${keyEpoch}`;
export const tariffKey = (providerId: number, tariffVersion: number) => `${providerId}/${tariffVersion}`;

const PARALLEL_READS = 8;

/**
 * Reads each fact once, a few at a time, whatever the number of lines that rest on it. Only transactions that settled
 * something of this job are read, and only batches and keys of those, so that a stranger's file cannot make the
 * verifier ask a node for more than the job itself has on chain.
 */
export async function gatherEvidence(invoice: Invoice.Invoice, reader: ChainReader): Promise<Evidence> {
  const [chainId, lock, job] = await Promise.all([
    reader.chainId(),
    reader.lockOf(invoice.jobId),
    reader.jobEvents(invoice.jobId),
  ]);
  const named = new Set<Hex>([
    ...invoice.lines.map(({ settlement }) => settlement.transactionHash),
    ...invoice.settlements.map(({ transactionHash }) => transactionHash),
    ...invoice.batches.map(({ transactionHash }) => transactionHash),
  ]);
  const settling = job.settled
    .map(({ transactionHash }) => transactionHash)
    .filter((hash) => named.has(hash));
  const transactions = await readAll(new Map(settling.map((hash) => [hash, hash])), (hash) =>
    reader.transaction(hash),
  );
  const headers = [...transactions.values()].flatMap((transaction) =>
    (transaction?.batches ?? []).map(({ committed }) => committed.header),
  );
  return {
    chainId,
    lock,
    job,
    transactions,
    roots: await readAll(
      new Map(headers.map((header) => [batchKey(header.laneId, header.batchNumber), header])),
      ({ laneId, batchNumber }) => reader.rootOf(laneId, batchNumber),
    ),
    keyHashes: await readAll(
      new Map(headers.map((header) => [epochKey(header.laneId, header.keyEpoch), header])),
      ({ laneId, keyEpoch }) => reader.keyHashOf(laneId, keyEpoch),
    ),
    tariffHashes: await readAll(
      new Map(invoice.tariffs.map((tariff) => [tariffKey(tariff.providerId, tariff.version), tariff])),
      ({ providerId, version }) => reader.tariffHashOf(providerId, version),
    ),
    gateways: await readAll(
      new Map(invoice.lines.map(({ receipt }) => [receipt.gateway, receipt.gateway])),
      (gateway) => reader.gatewayTerm(gateway),
    ),
  };
}

async function readAll<Key, Fact>(
  keys: ReadonlyMap<string, Key>,
  read: (key: Key) => Promise<Fact>,
): Promise<Map<string, Fact>> {
  const facts = new Map<string, Fact>();
  const pending = [...keys];
  while (pending.length > 0) {
    const chunk = pending.splice(0, PARALLEL_READS);
    const found = await Promise.all(chunk.map(async ([name, key]) => [name, await read(key)] as const));
    for (const [name, fact] of found) facts.set(name, fact);
  }
  return facts;
}
