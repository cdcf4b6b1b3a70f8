import type { Pool } from "@tac/kit";
import { Deployment, Errors, Invoice, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { buildInvoice } from "../invoice/buildInvoice.ts";
import { type TaxRules, taxRateOf } from "../invoice/tax.ts";
import { findInvoice, insertInvoice } from "../store/invoices.ts";
import type { ChainReader } from "../verify/ChainReader.ts";
import type { Problem } from "../verify/Problem.ts";
import { verifyInvoice } from "../verify/verifyInvoice.ts";
import { loadFacts } from "./loadFacts.ts";

export type IssueDeps = {
  pool: Pool;
  deployment: Deployment.Deployment;
  reader: ChainReader;
  privateKey: Hex;
  taxRules: TaxRules;
  now: () => number;
};

/** The invoice that was built does not pass the check its receiver would make, so it is not issued. */
export class InvoiceRefusedError extends Error {
  override readonly name = "InvoiceRefusedError";
  readonly problems: readonly Problem[];

  constructor(jobId: Hex, problems: readonly Problem[]) {
    const first = problems[0];
    super(`The invoice of job ${jobId} has ${problems.length} problems; ${first?.path}: ${first?.message}`);
    this.problems = problems;
  }
}

/**
 * Builds, signs, re-checks against the chain and stores the invoice of a final job, exactly once: a retry, or a second
 * process, finds the one that was stored. True when this call issued it.
 */
export async function issueInvoice(deps: IssueDeps, jobId: Hex): Promise<boolean> {
  const { pool, deployment, reader, privateKey } = deps;
  if ((await findInvoice(pool, jobId)) !== null) return false;
  const facts = await loadFacts(pool, deployment, jobId);
  if (facts === null)
    throw Errors.fromCode("not_settled", {
      detail: `Job ${jobId} is not final, or a batch of it is missing.`,
    });
  const issuer = Wire.privateKeyToAddress(privateKey);
  const unsigned = buildInvoice(facts, {
    tax: taxRateOf(facts.locked.tenant, deps.taxRules),
    issuer,
    issuedAtMs: BigInt(deps.now()),
  });
  const invoice = Invoice.sign(unsigned, Deployment.domains(deployment).invoice, privateKey);
  const { valid, problems } = await verifyInvoice(Invoice.toJson(invoice), {
    reader,
    deployment,
    expectedIssuer: issuer,
  });
  if (!valid) throw new InvoiceRefusedError(jobId, problems);
  return insertInvoice(pool, invoice);
}
