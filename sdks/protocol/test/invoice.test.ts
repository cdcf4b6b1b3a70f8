import fc from "fast-check";
import { hashTypedData } from "viem";
import { describe, expect, it } from "vitest";
import { Deployment, Invoice, Wire } from "../src/index.ts";
import * as arbitraries from "./arbitraries.ts";
import { gateway, gatewayKey, repeated } from "./fixtures.ts";

const deployment: Deployment.Deployment = {
  ...(fc.sample(arbitraries.deployment, { numRuns: 1, seed: 4 })[0] as Deployment.Deployment),
  chainId: 31337,
};
const domain = Deployment.domains(deployment).invoice;
const { signature: _, ...content } = fc.sample(arbitraries.invoice, {
  numRuns: 1,
  seed: 4,
})[0] as Invoice.Invoice;
const invoice = Invoice.sign({ ...content, issuer: gateway }, domain, gatewayKey);

describe("Invoice", () => {
  it("names its signer, before and after a trip through JSON", () => {
    expect(Invoice.recover(invoice, domain)).toBe(gateway);
    const read = Wire.parse(Invoice.schema, JSON.parse(JSON.stringify(Invoice.toJson(invoice))));
    expect(read).toEqual(invoice);
    expect(Invoice.recover(read, domain)).toBe(gateway);
    const { primaryType, types, domain: full, message } = Invoice.typedData(invoice, domain);
    const members = Object.fromEntries(Object.entries(message));
    expect(hashTypedData({ primaryType, types, domain: full, message: members })).toBe(
      Invoice.hash(invoice, domain),
    );
  });

  it.each<[string, (copy: Invoice.Invoice) => Invoice.Invoice]>([
    [
      "the amount of a line",
      (copy) => ({
        ...copy,
        lines: copy.lines.map((line) => ({ ...line, amountNano: line.amountNano ^ 1n })),
      }),
    ],
    ["a tariff", (copy) => ({ ...copy, tariffs: [] })],
    [
      "a settlement",
      (copy) => ({ ...copy, settlements: copy.settlements.map((one) => ({ ...one, status: "None" })) }),
    ],
    ["a total", (copy) => ({ ...copy, totals: { ...copy.totals, taxNano: copy.totals.taxNano ^ 1n } })],
    ["the tenant", (copy) => ({ ...copy, tenant: repeated("0e", 20) })],
  ])("has another signer when %s changes", (_name, change) => {
    expect(Invoice.recover(change(invoice), domain)).not.toBe(gateway);
  });
});

describe("Deployment", () => {
  it("gives the domains of the contracts that verify them", () => {
    const domains = Deployment.domains(deployment);
    const at = (name: string, verifyingContract: string) => ({
      name,
      version: "1",
      chainId: 31337,
      verifyingContract,
    });
    expect(domains).toEqual({
      quote: at("TariffQuote", deployment.capabilityAuthority),
      capability: at("CapabilityAuthority", deployment.capabilityAuthority),
      usageReceipts: at("UsageReceipts", deployment.usageReceipts),
      invoice: at("Invoice", deployment.usageReceipts),
    });
  });
});
