import { type App, type Pool, parseParams } from "@tac/kit";
import { type Deployment, Errors, Invoice, Wire } from "@tac/protocol";
import { z } from "zod";
import { linesToCsv } from "../invoice/linesToCsv.ts";
import { renderInvoice } from "../invoice/renderInvoice.ts";
import { eventsOfJob } from "../store/events.ts";
import { findInvoice, invoicesOfTenant } from "../store/invoices.ts";

export type InvoiceRoutesDeps = {
  pool: Pool;
  deployment: Deployment.Deployment;
  explorerUrl?: string | undefined;
};

const jobParams = z.object({ jobId: Wire.bytes32 });
const formatQuery = z.strictObject({ format: z.enum(["json", "text", "csv"]).default("json") });
const tenantParams = z.object({ tenant: Wire.address });
const pageQuery = z.strictObject({
  after: Wire.digits(63).default(0n),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** `GET /v1/jobs/:jobId/invoice` and `GET /v1/tenants/:tenant/invoices`. */
export function addInvoiceRoutes(app: App, { pool, deployment, explorerUrl }: InvoiceRoutesDeps): void {
  app.get("/v1/jobs/:jobId/invoice", async (request, reply) => {
    const { jobId } = parseParams(jobParams, request.params);
    const { format } = parseParams(formatQuery, request.query);
    const body = await findInvoice(pool, jobId);
    if (body === null) {
      const events = await eventsOfJob(pool, deployment, jobId);
      if (!events.some(({ event }) => event.name === "Locked"))
        throw Errors.fromCode("unknown_job", { detail: `The chain has no lock for job ${jobId}.` });
      throw Errors.fromCode("not_settled", { detail: `Job ${jobId} has not been settled to its end.` });
    }
    // An issued invoice never changes, so whoever has it need not ask again.
    reply.header("cache-control", "private, max-age=31536000, immutable");
    if (format === "json") return reply.type("application/json; charset=utf-8").send(body);
    const invoice = Invoice.schema.parse(JSON.parse(body));
    if (format === "text")
      return reply.type("text/plain; charset=utf-8").send(renderInvoice(invoice, { explorerUrl }));
    return reply
      .type("text/csv; charset=utf-8; header=present")
      .header("content-disposition", `attachment; filename="invoice-${jobId}.csv"`)
      .send(linesToCsv(invoice));
  });

  app.get("/v1/tenants/:tenant/invoices", async (request) => {
    const { tenant } = parseParams(tenantParams, request.params);
    const { after, limit } = parseParams(pageQuery, request.query);
    const invoices = await invoicesOfTenant(pool, tenant, { afterSequence: after, limit: limit + 1 });
    const page = invoices.slice(0, limit);
    const last = page.at(-1);
    return {
      invoices: page.map((invoice) => ({
        invoiceId: invoice.invoiceId,
        jobId: invoice.jobId,
        totalNano: invoice.totalNano.toString(),
        paidNano: invoice.paidNano.toString(),
        lineCount: invoice.lineCount,
        issuedAtMs: invoice.issuedAtMs.toString(),
      })),
      next: invoices.length > limit && last !== undefined ? last.sequence.toString() : null,
    };
  });
}
