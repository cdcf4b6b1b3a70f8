import { Deployment, Invoice } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { buildInvoice } from "../src/invoice/buildInvoice.ts";
import { verifyInvoice } from "../src/verify/verifyInvoice.ts";
import { createMemoryChain } from "./memoryChain.ts";
import { billingKey, createWorld, deployment, factsOf, issuer } from "./world.ts";

const domain = Deployment.domains(deployment).invoice;

describe("verifyInvoice", () => {
  test("finds nothing wrong with an honest invoice", async () => {
    const world = createWorld();
    const invoice = Invoice.sign(
      buildInvoice(factsOf(world), { tax: { country: null, basisPoints: 0 }, issuer, issuedAtMs: 1n }),
      domain,
      billingKey,
    );
    const json = JSON.parse(JSON.stringify(Invoice.toJson(invoice)));
    const result = await verifyInvoice(json, { reader: createMemoryChain(world.state), deployment });
    expect(result.problems).toEqual([]);
    expect(result.valid).toBe(true);
  });
});
