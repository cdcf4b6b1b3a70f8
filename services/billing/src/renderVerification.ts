import type { Problem } from "./verify/Problem.ts";
import type { Verification } from "./verify/verifyInvoice.ts";

const HEADINGS = ["line", "code", "path", "what is wrong"] as const;

/** What the command line prints about a verification: a verdict, and a table of the problems. */
export function renderVerification(verification: Verification): string {
  const { valid, problems, issuer, invoiceId, jobId, lineCount } = verification;
  const about = [
    ...(invoiceId === null ? [] : [`Invoice  ${invoiceId}`]),
    ...(jobId === null ? [] : [`Job      ${jobId}`]),
    ...(issuer === null
      ? []
      : [
          `Issuer   ${issuer.address} ${issuer.isExpected ? "(as expected)" : "(as stated by the invoice; pass --issuer to insist on one)"}`,
        ]),
  ];
  const verdict = valid
    ? `VALID: all ${lineCount} lines agree with the chain.`
    : `NOT VALID: ${problems.length} problem${problems.length === 1 ? "" : "s"}.`;
  return [...about, "", verdict, ...(valid ? [] : ["", ...table(problems)]), ""].join("\n");
}

function table(problems: readonly Problem[]): string[] {
  const rows = problems.map(({ line, code, path, message }) => [
    line === null ? "-" : String(line),
    code,
    path === "" ? "-" : path,
    message,
  ]);
  // The last column is the longest and ends the row, so it needs no width.
  const widths = HEADINGS.slice(0, -1).map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const format = (cells: readonly string[]) =>
    cells
      .map((cell, column) => printable(cell).padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [format(HEADINGS), format(widths.map((width) => "-".repeat(width))), ...rows.map(format)];
}

/** A malformed file may hold escape sequences, which have no business in a terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
