import { Plan, ProtocolError, Quote, Wire } from "@tac/protocol";
import type { ClientCore } from "../ClientCore.ts";
import { callJson } from "../call/callJson.ts";
import type { QuotedJob } from "../job/Job.ts";

export type QuoteOptions = { signal?: AbortSignal };

/**
 * Asks for a signed price promise. The gateway learns the sizes of the steps, never their content. The quote
 * is checked against the plan, the tenant and its signature before it is given out; `quote_mismatch` or
 * `invalid_signature` when it is not what was asked for.
 */
export async function quote(
  core: ClientCore,
  plan: Plan.Plan,
  options: QuoteOptions = {},
): Promise<QuotedJob> {
  const tenant = await core.signer.address();
  const signedQuote = await callJson(
    core.callGateway,
    {
      method: "POST",
      path: "/v1/jobs/quote",
      json: { tenant, plan: Plan.toJson(Wire.parse(Plan.schema, Plan.toJson(plan))) },
      signal: options.signal,
    },
    Quote.signedSchema,
  );
  const { quote: promised, signature, signer } = signedQuote;
  if (promised.tenant !== tenant) throw mismatch("The quote is for another tenant.");
  if (promised.planHash !== Plan.hash(plan)) throw mismatch("The quote is for another plan.");
  Quote.checkConsistency(signedQuote);
  const recovered = Quote.recover(promised, signature, core.domains.quote);
  if (recovered !== signer || (core.tariffSigner !== undefined && recovered !== core.tariffSigner)) {
    throw new ProtocolError("invalid_signature", {
      detail: "The quote is not signed by the tariff service.",
    });
  }
  return { tenant, quoteHash: Quote.hash(promised, core.domains.quote), signedQuote };
}

function mismatch(detail: string): ProtocolError {
  return new ProtocolError("quote_mismatch", { detail });
}
