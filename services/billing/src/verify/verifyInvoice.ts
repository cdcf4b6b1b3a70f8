import { Deployment, Tariff } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { ChainReader } from "./ChainReader.ts";
import type { Context } from "./Context.ts";
import { checkBatches } from "./checkBatches.ts";
import { checkLines } from "./checkLines.ts";
import { checkLock } from "./checkLock.ts";
import { checkSeal } from "./checkSeal.ts";
import { checkSettlements } from "./checkSettlements.ts";
import { checkTariffs } from "./checkTariffs.ts";
import { checkTotals } from "./checkTotals.ts";
import { gatherEvidence } from "./evidence.ts";
import { lineOfPath, type Problem, type Report } from "./Problem.ts";
import { parseInvoice } from "./parseInvoice.ts";

/** The contracts the verifier trusts; never taken from the invoice. */
export type TrustedDeployment = Deployment.Deployment;

export type VerifyOptions = {
  reader: ChainReader;
  deployment: TrustedDeployment;
  /** Null: the invoice must be signed by whoever it names, and the result says who that is. */
  expectedIssuer?: Address | null;
};

export type Verification = {
  valid: boolean;
  /** Every problem found; empty exactly when `valid`. */
  problems: Problem[];
  /** The issuer the invoice names, and whether the caller said who it has to be. Null for a malformed file. */
  issuer: { address: Address; isExpected: boolean } | null;
  invoiceId: Hex | null;
  jobId: Hex | null;
  lineCount: number;
};

/**
 * Re-checks an invoice (parsed JSON, from anybody) against the chain alone and lists everything that is wrong with it.
 * Whatever the input is, the outcome is a list of problems; only a chain that cannot be read makes it throw
 * (ProtocolError `chain_unavailable`), because that says nothing about the invoice.
 */
export async function verifyInvoice(input: unknown, options: VerifyOptions): Promise<Verification> {
  const problems: Problem[] = [];
  const report: Report = (path, code, message) => {
    problems.push({ line: lineOfPath(path), path, code, message });
  };
  const parsed = parseInvoice(input);
  if ("issues" in parsed) {
    for (const { path, message } of parsed.issues) report(formatPath(path), "malformed_invoice", message);
    return { valid: false, problems, issuer: null, invoiceId: null, jobId: null, lineCount: 0 };
  }
  const { invoice } = parsed;
  const expectedIssuer = options.expectedIssuer ?? null;
  const evidence = await gatherEvidence(invoice, options.reader);
  const context: Context = {
    invoice,
    evidence,
    domains: Deployment.domains(options.deployment),
    tariffsByHash: new Map(invoice.tariffs.map((tariff) => [Tariff.hash(tariff), tariff])),
    report,
  };
  checkSeal(context, options.deployment, expectedIssuer);
  checkLock(context);
  checkTariffs(context);
  await checkLines(context);
  await checkBatches(context);
  checkSettlements(context);
  checkTotals(context);
  return {
    valid: problems.length === 0,
    problems,
    issuer: { address: invoice.issuer, isExpected: expectedIssuer !== null },
    invoiceId: invoice.invoiceId,
    jobId: invoice.jobId,
    lineCount: invoice.lines.length,
  };
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, "");
}
