import { Invoice, ProtocolError } from "@tac/protocol";
import { Agent, request } from "undici";
import type { ClientCore } from "../ClientCore.ts";
import { readJson } from "../call/callJson.ts";
import { toConnectionError } from "../call/createGatewayCaller.ts";
import type { Job } from "../job/Job.ts";
import { caOf } from "../transport/openTlsSocket.ts";

export type InvoiceOptions = { signal?: AbortSignal };

const TIMEOUT_MS = 30_000;

/**
 * The invoice of a settled job, with its signature checked against its issuer. Whether every line agrees with
 * the chain is for the verifier of the billing service to say. Throws `not_settled` until it can be made.
 */
export async function invoice(
  core: ClientCore,
  job: Job,
  options: InvoiceOptions = {},
): Promise<Invoice.Invoice> {
  if (core.billingUrl === undefined) {
    throw new ProtocolError("invalid_request", {
      detail: "The client has no billingUrl.",
      param: "billingUrl",
    });
  }
  const agent = new Agent({ connect: caOf(core) });
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  try {
    const url = `${core.billingUrl}/v1/jobs/${job.jobId}/invoice`;
    const response = await request(url, { dispatcher: agent, signal });
    const body = Buffer.from(await response.body.arrayBuffer());
    const answer = { status: response.statusCode, headers: response.headers, body };
    return checkInvoice(core, job, readJson(answer, Invoice.schema));
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    throw toConnectionError(cause, options.signal);
  } finally {
    await agent.close();
  }
}

function checkInvoice(core: ClientCore, job: Job, issued: Invoice.Invoice): Invoice.Invoice {
  if (issued.jobId !== job.jobId || issued.capabilityHash !== job.capabilityHash) {
    throw new ProtocolError("wrong_job", { detail: "The invoice is for another job." });
  }
  if (Invoice.recover(issued, core.domains.invoice) !== issued.issuer) {
    throw new ProtocolError("invalid_signature", { detail: "The invoice is not signed by its issuer." });
  }
  return issued;
}
