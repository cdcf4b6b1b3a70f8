// A thread that only tells the time: posts how many calls are due, as soon as one more is.
import { parentPort, workerData } from "node:worker_threads";

const { startNs, intervalNs, count } = workerData;
const cell = new Int32Array(new SharedArrayBuffer(4));

for (let due = 0; due < count; ) {
  const elapsedNs = Number(process.hrtime.bigint() - startNs);
  const reached = Math.min(count, Math.max(0, Math.floor(elapsedNs / intervalNs) + 1));
  if (reached > due) {
    due = reached;
    parentPort.postMessage(due);
  }
  const waitMs = (due * intervalNs - Number(process.hrtime.bigint() - startNs)) / 1e6;
  if (due < count && waitMs > 0) Atomics.wait(cell, 0, 0, waitMs);
}
