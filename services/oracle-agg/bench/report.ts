import type { Results } from "./main.ts";
import type { BatchResult, Spent } from "./meter.ts";

/** What the project asks of one replica. */
const TARGET_PER_SECOND = 10_000;
const TARGET_TREE_SECONDS = 0.5;

/** The results as a page of the documentation. */
export const report = (results: Results): string => {
  const { machine, versions, load, beside } = results;
  const threads = Math.max(...results.validation.map((one) => one.threads));
  const fastest = results.validation.find((one) => one.checkout === "this" && one.threads === threads);
  const { merkle } = results;
  const treeSeconds = merkle.leafSeconds + merkle.treeSeconds;
  return [
    "# One aggregator replica",
    "",
    `Written by \`make bench-aggregator\` on ${results.measuredAt.slice(0, 16).replace("T", " ")} UTC; the numbers are in`,
    "`aggregator.json`. What is measured is told below the tables.",
    "",
    `- Commit: ${results.commit}${beside === null ? "" : `; beside it: ${beside}`}`,
    `- Machine: ${machine.processors} processors (${machine.processor}), ${machine.memoryGigabytes} GB`,
    `- Node.js ${versions.node}, PostgreSQL ${versions.postgres} with \`fsync\` on`,
    `- Load average before: ${loads(load.before)}; after: ${loads(load.after)}`,
    "",
    "## Validation",
    "",
    "| Checkout | Threads beside the main one | Receipts/s | Receipts per second of processor time, Node.js | and with PostgreSQL's | of which signatures | Peak memory | after each quarter |",
    "|---|---|---|---|---|---|---|---|",
    ...results.validation.map((one) =>
      row([
        one.checkout === "this" ? "this commit" : "the other",
        one.threads,
        count(perSecond(one)),
        count(one.receipts / one.nodeSeconds),
        count(one.receipts / (one.nodeSeconds + one.postgresSeconds)),
        `${Math.round(one.signatureMicros)} of ${micros(one)} us`,
        `${one.peakMegabytes} MB`,
        `${one.quarterMegabytes.join(", ")} MB`,
      ]),
    ),
    "",
    "## Batches and signatures",
    "",
    "| Receipts in the window | Batches | Receipts/s | Receipts per second of processor time, Node.js | and with PostgreSQL's | follow the chain | read and build | keep | sign | apply | Memory before | Peak memory |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ...results.batch.map((one) =>
      row([
        one.receipts.toLocaleString("en"),
        one.batches,
        count(perSecond(one)),
        count(one.receipts / one.nodeSeconds),
        count(one.receipts / (one.nodeSeconds + one.postgresSeconds)),
        ...["follow", "read and build", "keep", "sign", "apply"].map((step) => each(one, step)),
        `${one.startMegabytes} MB`,
        `${one.peakMegabytes} MB`,
      ]),
    ),
    "",
    "## The target",
    "",
    ...(fastest === undefined ? [] : [verdict("Validation", fastest)]),
    ...results.batch.map((one) =>
      verdict(`Batch building and signing, ${one.receipts.toLocaleString("en")} in the window`, one),
    ),
    `- Merkle tree of ${merkle.receipts.toLocaleString("en")} receipts: ${treeSeconds.toFixed(2)} s, of which ${merkle.leafSeconds.toFixed(2)} s the leaves; ` +
      `the target of ${TARGET_TREE_SECONDS} s is ${treeSeconds <= TARGET_TREE_SECONDS ? "met" : "missed"} here.`,
    "",
    ...busy(results),
    "Processors for the target are what the processor time of one receipt, PostgreSQL's included, takes at that rate. Processor",
    "time is the fairer measure on a machine that others use as well, but not a pure one: two busy threads share a core, and",
    "each takes longer for the same work. The signatures alone are therefore timed in the same process right before, on one",
    "thread; what is checked besides them, hashed, fetched and stored is the rest.",
    "",
    "## What is measured",
    "",
    "Validation is `FeedPuller` as a replica runs it: pages of 1,000 events over HTTP from another process, their form, hash",
    "chain and signed head; of each call the caller's DPoP proof (ES256), the Usage-Auth token, the gateway's receipt and in",
    "half of all cases the provider's report (secp256k1), price, capability and request; then the durable insert. Each of",
    "200 jobs has a tenant and a holder of its own. TLS is left out, as the pages are large; so is whoever serves them.",
    "Of several rounds the best by the clock counts, the same number of rounds for every row.",
    "",
    "Batches: the whole of a window from PostgreSQL to an applied batch, with three partial signatures, their combination and",
    "its check (a replica makes one partial). 10,000 receipts are the most one batch takes, so 100,000 make ten of them. The",
    "chain is simulated, and what it does on a submission is left out of the clock. The microseconds are of the clock, a",
    "receipt. Every window has a process of its own, warm from ten windows of 1,000; a small window is the mean of several.",
    "Leaves are hashed when a receipt is validated; the Merkle tree alone, leaves included, is timed by itself.",
    "Memory is flat where its quarters, or 10,000 and 100,000, are alike.",
    "",
  ].join("\n");
};

/** What a reader must know of a run on a machine that had more to do. */
const busy = ({ load, machine }: Results): string[] =>
  Math.max(load.before[0] ?? 0, load.after[0] ?? 0) <= 2 * machine.processors
    ? []
    : [
        "**The machine had several times more to do than it has processors**, so rates by the clock say how little of it was left,",
        "and a target that is missed is not refuted by them: it has to be measured on an idle machine.",
        "",
      ];

const perSecond = ({ receipts, seconds }: Spent & { receipts: number }): number => receipts / seconds;
const micros = (one: Spent & { receipts: number }): number =>
  Math.round(((one.nodeSeconds + one.postgresSeconds) * 1_000_000) / one.receipts);
const count = (value: number): string => Math.round(value).toLocaleString("en");
const each = ({ microsEach }: BatchResult, step: string): string =>
  `${(microsEach[step] ?? 0).toFixed(1)} us`;
const loads = (load: readonly number[]): string => load.map((one) => one.toFixed(2)).join(", ");
const row = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

const verdict = (what: string, one: Spent & { receipts: number }): string =>
  `- ${what}: ${count(perSecond(one))} receipts/s; the target of ${count(TARGET_PER_SECOND)} is ${
    perSecond(one) >= TARGET_PER_SECOND ? "met" : "missed"
  } here, and takes ${((TARGET_PER_SECOND * micros(one)) / 1_000_000).toFixed(1)} such processors.`;
