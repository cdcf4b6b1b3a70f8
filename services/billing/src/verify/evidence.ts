import type { Invoice } from "@tac/protocol";
import type { Address, Hex } from "viem";
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

/** Reads each fact once, a few at a time, whatever the number of lines that rest on it. */
export async function gatherEvidence(invoice: Invoice.Invoice, reader: ChainReader): Promise<Evidence> {
  const transactionHashes = new Map<string, Hex>();
  const batches = new Map<string, [number, bigint]>();
  const epochs = new Map<string, [number, number]>();
  const tariffs = new Map<string, [number, number]>();
  const gateways = new Map<string, Address>();

  const noteTransaction = (hash: Hex) => transactionHashes.set(hash, hash);
  noteTransaction(invoice.lock.transactionHash);
  if (invoice.release !== null) noteTransaction(invoice.release.transactionHash);
  for (const { header, transactionHash } of invoice.batches) {
    noteTransaction(transactionHash);
    batches.set(batchKey(header.laneId, header.batchNumber), [header.laneId, header.batchNumber]);
    epochs.set(epochKey(header.laneId, header.keyEpoch), [header.laneId, header.keyEpoch]);
  }
  for (const settlement of invoice.settlements) noteTransaction(settlement.transactionHash);
  for (const { batch, receipt, settlement } of invoice.lines) {
    noteTransaction(settlement.transactionHash);
    batches.set(batchKey(batch.laneId, batch.batchNumber), [batch.laneId, batch.batchNumber]);
    gateways.set(receipt.gateway, receipt.gateway);
  }
  for (const { providerId, version } of invoice.tariffs)
    tariffs.set(tariffKey(providerId, version), [providerId, version]);

  const [chainId, lock, job] = await Promise.all([
    reader.chainId(),
    reader.lockOf(invoice.jobId),
    reader.jobEvents(invoice.jobId),
  ]);
  return {
    chainId,
    lock,
    job,
    transactions: await readAll(transactionHashes, (hash) => reader.transaction(hash)),
    roots: await readAll(batches, ([laneId, batchNumber]) => reader.rootOf(laneId, batchNumber)),
    keyHashes: await readAll(epochs, ([laneId, keyEpoch]) => reader.keyHashOf(laneId, keyEpoch)),
    tariffHashes: await readAll(tariffs, ([providerId, version]) => reader.tariffHashOf(providerId, version)),
    gateways: await readAll(gateways, (gateway) => reader.gatewayTerm(gateway)),
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
