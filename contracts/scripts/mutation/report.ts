import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Verdict } from "./judge.ts";
import type { Mutant } from "./Mutant.ts";

export type Result = Pick<Mutant, "id" | "file" | "line" | "operator" | "before" | "after"> & {
  verdict: Verdict;
  /** The first test that failed. */
  noticedBy?: string;
  /** Why nothing could notice it, for a mutant that a person found to behave as the original does. */
  reason?: string;
};

export type Report = { population: number; results: Result[] };

/** One reason for several changes of a line. */
type Explanation = Pick<Result, "file" | "before"> & { after: string[]; reason: string };

export const read = (path: string): Report | null => {
  if (!existsSync(path)) return null;
  const report: Report = JSON.parse(readFileSync(path, "utf8"));
  return report;
};

export const write = (path: string, report: Report): void => {
  const results = report.results
    .toSorted((left, right) => left.file.localeCompare(right.file) || left.line - right.line)
    .map((result) => `\n${JSON.stringify(result)}`);
  writeFileSync(path, `{"population":${report.population},"results":[${results.join()}\n]}\n`);
};

/** Survivors that a person has found to be equivalent, with the reason, are counted as that. */
export const explain = (path: string, results: readonly Result[]): Result[] => {
  if (!existsSync(path)) return [...results];
  const explanations: Explanation[] = JSON.parse(readFileSync(path, "utf8"));
  return results.map((result) => {
    const known = explanations.find(
      ({ file, before, after }) =>
        file === result.file && before === result.before && after.includes(result.after),
    );
    return result.verdict === "survived" && known !== undefined
      ? { ...result, verdict: "equivalent", reason: known.reason }
      : result;
  });
};

const row = (name: string, results: readonly Result[]): string => {
  const count = (verdict: Verdict): number => results.filter((result) => result.verdict === verdict).length;
  const [killed, survived] = [count("killed"), count("survived")];
  const judged = killed + survived;
  const score = judged === 0 ? "" : `${((100 * killed) / judged).toFixed(1)} %`;
  return `| ${name} | ${killed} | ${survived} | ${count("equivalent")} | ${count("invalid")} | ${score} |`;
};

/** The summary as a Markdown table: one row per file and one for all. */
export const table = (report: Report): string => {
  const files = [...new Set(report.results.map((result) => result.file))].sort();
  const rows = files.map((file) =>
    row(
      file.replace("contracts/src/", ""),
      report.results.filter((result) => result.file === file),
    ),
  );
  return [
    "| File | Killed | Survived | Equivalent | Invalid | Score |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...rows,
    row("**all**", report.results),
    "",
    `Judged: ${report.results.length.toLocaleString("en")} of ${report.population.toLocaleString("en")} mutants.`,
  ].join("\n");
};

/** Replaces what stands between the two markers of a document; a document without them is left alone. */
export const publish = (path: string, name: string, content: string): void => {
  if (!existsSync(path)) return;
  const document = readFileSync(path, "utf8");
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [document.indexOf(open), document.indexOf(close)];
  if (from === -1 || to === -1) return;
  writeFileSync(path, `${document.slice(0, from + open.length)}\n\n${content}\n\n${document.slice(to)}`);
};
