import type { Deployment, Invoice, Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import type { Evidence } from "./evidence.ts";
import type { Report } from "./Problem.ts";

/** What every check receives. The domains are those of the deployment the verifier trusts, not of the invoice. */
export type Context = {
  invoice: Invoice.Invoice;
  evidence: Evidence;
  domains: Deployment.Domains;
  tariffsByHash: ReadonlyMap<Hex, Tariff.Tariff>;
  report: Report;
};
