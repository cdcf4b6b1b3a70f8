import type { Measure } from "../Measure.ts";
import { percentilesOf } from "../measure/percentiles.ts";
import type { Results } from "../Results.ts";
import { COMPARED_RATE, MAX_STOLEN } from "../settings.ts";
import { mib, ms, table, us } from "./table.ts";

const rateTable = (measures: readonly Measure[]): string =>
  table(
    [
      "subject",
      "calls",
      "p50 ms",
      "p95 ms",
      "p99 ms",
      "added p50",
      "added p95",
      "added p99",
      "CPU us/call",
      "PostgreSQL us/call",
      "generator lag p99 ms",
      "held",
    ],
    measures.map(({ subject, calls, latencyMs, addedMs, fellBehind, ...costs }) => [
      subject,
      String(calls),
      ...(latencyMs ? [ms(latencyMs.p50), ms(latencyMs.p95), ms(latencyMs.p99)] : ["", "", ""]),
      ...(addedMs ? [ms(addedMs.p50), ms(addedMs.p95), ms(addedMs.p99)] : ["", "", ""]),
      us(costs.cpuUsPerCall),
      us(costs.postgresCpuUsPerCall),
      ms(costs.generatorLagMs.p99),
      fellBehind === null ? "yes" : `no: ${fellBehind}`,
    ]),
  );

/** How much of a p95 is chance, and whether one is below another whenever they are run one after the other. */
const roundsTable = (measures: readonly Measure[]): string => {
  const ours = measures.find(({ subject }) => subject === "gateway");
  return table(
    [
      "subject",
      "rounds",
      "stolen ms",
      "lowest p95 ms",
      "median p95 ms",
      "highest p95 ms",
      "rounds in which gateway's is lower",
    ],
    measures.map(({ subject, stolenMs, p95ByRoundMs }) => {
      const { p50, max } = percentilesOf(Float64Array.from(p95ByRoundMs));
      const lower = p95ByRoundMs.filter((p95, round) => (ours?.p95ByRoundMs[round] ?? Number.NaN) < p95);
      return [
        subject,
        String(p95ByRoundMs.length),
        String(stolenMs),
        ms(Math.min(...p95ByRoundMs)),
        ms(p50),
        ms(max),
        ours === undefined || subject === "gateway" ? "" : String(lower.length),
      ];
    }),
  );
};

/** For each subject the highest rate it held, and what a call cost there. */
const capacityTable = ({ subjects, measures }: Results): string =>
  table(
    ["subject", "highest rate held /s", "CPU us/call there", "calls/s and core of its own", "fell behind at"],
    subjects.map(({ name }) => {
      const own = measures.filter(({ subject }) => subject === name);
      const best = own.findLast(({ fellBehind }) => fellBehind === null);
      const lost = own.find(({ fellBehind }) => fellBehind !== null);
      const cost = best?.cpuUsPerCall ?? null;
      return [
        name,
        best === undefined ? "none" : String(best.rate),
        us(cost),
        cost === null ? "" : (1e6 / cost).toFixed(0),
        lost === undefined ? "not reached" : `${lost.rate}/s: ${lost.fellBehind}`,
      ];
    }),
  );

const section = (title: string, ...blocks: string[]): string => `## ${title}\n\n${blocks.join("\n\n")}\n`;

/** Lines as another program of this repository printed them. */
const printed = (lines: readonly string[]): string => ["```", ...lines, "```"].join("\n");

const streamsSection = (streams: NonNullable<Results["streams"]>): string =>
  section(
    "Memory with open streams",
    "Resident memory of the subject's own processes in MiB; in brackets how many streams were really open.",
    table(
      [
        "subject",
        "idle",
        ...(streams[0]?.points ?? []).map(({ wanted }) => `${wanted} wanted`),
        "KiB a stream",
        "not open, because",
      ],
      streams.map(({ subject, idleBytes, points }) => {
        const last = points.at(-1);
        const perStream = last && last.open > 0 ? (last.residentBytes - idleBytes) / last.open / 1024 : null;
        return [
          subject,
          mib(idleBytes),
          ...points.map(({ open, residentBytes }) => `${mib(residentBytes)} (${open})`),
          us(perStream),
          Object.entries(last?.failures ?? {})
            .map(([why, count]) => `${why} (${count})`)
            .join(", "),
        ];
      }),
    ),
  );

const growthSection = (growth: NonNullable<Results["growth"]>): string =>
  section(
    "One job, and ten",
    `The gateway with everything on at ${growth[0]?.measure.rate ?? 0} calls a second.`,
    table(
      ["jobs", "p50 ms", "p95 ms", "CPU us/call", "PostgreSQL us/call"],
      growth.map(({ jobs, measure }) => [
        String(jobs),
        measure.latencyMs ? ms(measure.latencyMs.p50) : "",
        measure.latencyMs ? ms(measure.latencyMs.p95) : "",
        us(measure.cpuUsPerCall),
        us(measure.postgresCpuUsPerCall),
      ]),
    ),
  );

const verifySection = (verify: NonNullable<Results["verify"]>): string =>
  section(
    "Proofs and tokens alone",
    "On one core, without network and database; each proof and token is a fresh one.",
    table(
      ["what", "per second", "p50 us", "p95 us", "p99 us"],
      Object.entries(verify).map(([what, { perSecond, microseconds }]) => [
        what,
        String(perSecond),
        us(microseconds.p50),
        us(microseconds.p95),
        us(microseconds.p99),
      ]),
    ),
  );

/** The run as a page for people. The JSON beside it has every number. */
export const toMarkdown = (results: Results): string => {
  const { machine, settings, postgres } = results;
  const rates = [...new Set(results.measures.map(({ rate }) => rate))];
  return [
    "# Benchmark\n",
    `Written by \`make bench\` on ${machine.startedAt}, commit ${machine.commit}${machine.modified ? " with changes" : ""}.\n`,
    `- Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}; load average ${machine.loadAverage.toFixed(2)} before the start.`,
    `- Node ${machine.node}; ${postgres.version}, fsync ${postgres.fsync}, synchronous_commit ${postgres.synchronousCommit}.`,
    `- Everything runs on this one machine: generator, subject, provider, PostgreSQL and chain share its ${machine.cores} cores.`,
    `- ${settings.rounds} rounds of ${settings.seconds} s for each subject and rate, after ${settings.warmUpSeconds} s that do not count, and ${settings.comparedRounds} at ${COMPARED_RATE} a second, where a round in which the host of this machine took over ${MAX_STOLEN * 100} % of its processors is run again, at most twice, and the one it took least from counts; the rounds of a rate are interleaved. Our calls are spread over ${settings.jobs} jobs.`,
    "- Open loop: each call begins when it is due, and its latency counts from then until its last byte. For our gateway that includes making the proof in the client.",
    "- Added: the percentile less the same percentile of `direct` at the same rate in the same run. A p99 of so few calls on a shared machine is a hint, not a figure.",
    `- Held: ${results.holdingRule}.${settings.profile ? "\n- The gateway ran under a profiler: its figures are not comparable." : ""}\n`,
    section(
      "Subjects",
      table(
        ["subject", "version", "what it does to a call"],
        results.subjects.map(({ name, version, does }) => [name, version, does]),
      ),
      ...results.absent.map(({ name, reason }) => `Not measured: ${name}, because ${reason}`),
    ),
    section("Capacity", capacityTable(results)),
    ...rates.map((rate) => {
      const measures = results.measures.filter((one) => one.rate === rate);
      const byRound = rate === COMPARED_RATE ? [roundsTable(measures)] : [];
      return section(`${rate} calls a second`, rateTable(measures), ...byRound);
    }),
    ...(results.verify ? [verifySection(results.verify)] : []),
    ...(results.provider ? [section("What a provider pays to check a call", printed(results.provider))] : []),
    ...(results.ledger ? [section("Durable hold and capture", printed(results.ledger))] : []),
    ...(results.growth ? [growthSection(results.growth)] : []),
    ...(results.streams ? [streamsSection(results.streams)] : []),
  ].join("\n");
};
