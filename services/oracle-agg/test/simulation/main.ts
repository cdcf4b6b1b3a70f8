import { dealt, realCrypto } from "./crypto.ts";
import { simulate } from "./simulate.ts";

/**
 * `SEEDS=5000 node --import tsx test/simulation/main.ts` runs that many seeds, `SEED=17` one of them with all that happens.
 * `FIRST=` is the first seed; `BLS=1` signs with real threshold BLS; `HOSTILE=1` has a false replica in every run.
 */
const choices = {
  ...(process.env.BLS === "1" ? { crypto: realCrypto(dealt) } : {}),
  isHostile: process.env.HOSTILE === "1",
};
const only = process.env.SEED;
if (only !== undefined) {
  const result = simulate({
    ...choices,
    seed: Number(only),
    onTrace: (line) => process.stdout.write(`${line}\n`),
  });
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  process.exit(result.violations.length === 0 ? 0 : 1);
}

const count = Number(process.env.SEEDS ?? "200");
const first = Number(process.env.FIRST ?? "1");
const total = {
  batches: 0,
  receipts: 0,
  messages: 0,
  crashes: 0,
  partitions: 0,
  reorganisations: 0,
  takenBack: 0,
};
let highestView = 0;
let withLiar = 0;
const failing: number[] = [];
const startedAt = performance.now();
const cpuBefore = process.cpuUsage();
for (let seed = first; seed < first + count; seed += 1) {
  const result = simulate({ ...choices, seed });
  for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += result[key];
  highestView = Math.max(highestView, result.views);
  if (result.hasByzantine) withLiar += 1;
  if (result.violations.length === 0) continue;
  failing.push(seed);
  process.stdout.write(
    `seed ${seed}: ${result.violations[0]}\n  replay it with: make simulate SEED=${seed}\n`,
  );
  if (failing.length >= 10) break;
}
const seconds = (performance.now() - startedAt) / 1_000;
const { user, system } = process.cpuUsage(cpuBefore);
const cpuSeconds = (user + system) / 1_000_000;
process.stdout.write(
  `${[
    `${count} seeds in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(1)} seeds/s, ${(count / cpuSeconds).toFixed(1)} in a second of processor time; ${withLiar} with a false replica`,
    `batches ${total.batches}, receipts ${total.receipts}, messages ${total.messages}, highest view ${highestView}`,
    `crashes ${total.crashes}, partitions ${total.partitions}, reorganisations ${total.reorganisations}, transactions taken back ${total.takenBack}`,
    "checked: one batch per position gets t signatures; nobody votes or signs twice; every valid receipt settles once and",
    "no bad one does; every replica judges an event alike; all is settled once t replicas are connected",
    failing.length === 0 ? "no violation" : `violations in seeds ${failing.join(", ")}`,
  ].join("\n")}\n`,
);
process.exit(failing.length === 0 ? 0 : 1);
