import type { Machine } from "../bench/measure/machine.ts";
import { table } from "../bench/report/table.ts";
import type { Figures, Verdict } from "./judge.ts";
import type { ChaosSettings } from "./settings.ts";

/** A run as it is kept: the JSON beside the page. */
export type Results = Verdict & {
  machine: Machine;
  settings: ChaosSettings;
  seconds: number;
  /** Blocks that were the chain's for a while and are no more, and the batches that were in them. */
  orphaned: { blocks: number; batches: number };
};

const s = (ms: number): string => (ms / 1_000).toFixed(1);

const promises = {
  settles: "settles",
  "stands still": "stands still",
  anything: "nothing lost",
} as const;

const cellsOf = ({ latencyMs, ...figures }: Figures): string[] => [
  String(figures.calls),
  String(figures.answered),
  String(figures.receiptsIn),
  String(figures.receiptsSettled),
  String(figures.duplicates),
  ...(latencyMs === null ? ["", "", ""] : [s(latencyMs.p50), s(latencyMs.p95), s(latencyMs.max)]),
];

const phaseTable = ({ phases, between }: Results): string =>
  table(
    [
      "phase",
      "fault s",
      "promised",
      "calls",
      "answered",
      "receipts in",
      "settled",
      "duplicates",
      "p50 s",
      "p95 s",
      "max s",
      "settled during the fault",
      "caught up after s",
      "load",
    ],
    [
      ...phases.map((phase) => [
        phase.name,
        s(phase.endingAtMs - phase.faultAtMs),
        promises[phase.promised],
        ...cellsOf(phase),
        `${phase.settledDuringFault} of ${phase.receiptsDuringFault}`,
        phase.caughtUp ? s(phase.endedAtMs - phase.healedAtMs) : "never",
        phase.loadAverage.toFixed(1),
      ]),
      ["between the faults", "", "", ...cellsOf(between), "", "", ""],
    ],
  );

/** The target is for a machine that has nothing else to do; the load average in the table says how far this one was. */
const quietP95 = ({ phases }: Results): string => {
  const latencyMs = phases.find(({ name }) => name === "quiet")?.latencyMs;
  return latencyMs ? `${s(latencyMs.p95)} s (target: at most 15 s)` : "not measured";
};

/** The run as a page for people. */
export const toMarkdown = (results: Results): string => {
  const { machine, settings, totals, problems, phases } = results;
  return [
    "# Fault run\n",
    `Written by \`make chaos\` on ${machine.startedAt}, commit ${machine.commit}${machine.modified ? " with changes" : ""}.\n`,
    `- Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}; Node ${machine.node}; load average ${machine.loadAverage.toFixed(2)} before the start, then as in the table. Everything runs on this one machine.`,
    `- ${settings.rate} calls a second over ${settings.jobs} jobs, open loop, for ${results.seconds.toFixed(0)} s in all; blocks of 2 s.`,
    "- Latency: from a receipt's `occurredAtMs` to when its block was first seen (looked for five times a second), over all receipts of the phase. A phase begins with its fault and ends when every part is there again; the time in which the replicas catch up, before the next fault, is the last row. A block that was reorganised out does not count: the one that the chain has at the end does.",
    `- ${results.orphaned.blocks} blocks that were seen are no longer the chain's; ${results.orphaned.batches} batches were in them, and came back.\n`,
    phaseTable(results),
    "",
    ...phases.map(({ name, does }) => `- **${name}**: ${does}.`),
    "\n## At the end\n",
    table(
      ["", ""],
      [
        ["receipts in the gateway's feed", String(totals.receiptsIn)],
        ["receipts settled", String(totals.receiptsSettled)],
        ["duplicates", String(totals.duplicates)],
        ["batches", String(totals.batches)],
        ["charged, nanocredits", String(totals.chargedNano)],
        ["paid on chain, nanocredits", String(totals.paidNano)],
        ["call to settled in the quiet phase, p95", quietP95(results)],
        ["contradictions", String(problems.length)],
      ],
    ),
    "",
    ...problems.map((problem) => `- ${problem}`),
  ]
    .join("\n")
    .concat("\n");
};
