import { Invoice } from "@tac/protocol";
import type { Address } from "viem";
import type { Context } from "./Context.ts";
import type { TrustedDeployment } from "./verifyInvoice.ts";

/** Checks which chain and contracts the invoice is for, its id, and that its issuer signed its content. */
export function checkSeal(
  { invoice, evidence, domains, report }: Context,
  deployment: TrustedDeployment,
  expectedIssuer: Address | null,
): void {
  if (evidence.chainId !== deployment.chainId)
    report("chainId", "wrong_chain", `the node is on chain ${evidence.chainId}, not ${deployment.chainId}`);
  if (invoice.chainId !== deployment.chainId)
    report(
      "chainId",
      "wrong_chain",
      `the invoice is for chain ${invoice.chainId}, not ${deployment.chainId}`,
    );
  const contracts: [string, Address, Address][] = [
    ["usageReceipts", invoice.deployment.usageReceipts, deployment.usageReceipts],
    ["settlementTreasury", invoice.deployment.settlementTreasury, deployment.settlementTreasury],
    ["creditVault", invoice.deployment.creditVault, deployment.creditVault],
    ["capabilityAuthority", invoice.deployment.capabilityAuthority, deployment.capabilityAuthority],
  ];
  for (const [name, stated, trusted] of contracts) {
    if (stated !== trusted.toLowerCase())
      report(`deployment.${name}`, "wrong_deployment", `the contract trusted here is ${trusted}`);
  }
  const invoiceId = Invoice.idOf(invoice.jobId, domains.invoice);
  if (invoice.invoiceId !== invoiceId)
    report("invoiceId", "wrong_invoice_id", `the invoice of this job has id ${invoiceId}`);
  const signer = Invoice.recover(invoice, domains.invoice);
  if (signer !== invoice.issuer)
    report(
      "signature",
      "invalid_invoice_signature",
      `${signer === null ? "nobody can have signed this" : `signed by ${signer}`}, but the issuer named is ${invoice.issuer}; the content was changed after it was signed, or the signature was`,
    );
  if (expectedIssuer !== null && invoice.issuer !== expectedIssuer.toLowerCase())
    report("issuer", "unexpected_issuer", `the issuer expected is ${expectedIssuer}`);
}
