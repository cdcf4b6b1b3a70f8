import { randomBytes } from "node:crypto";
import { type Address, type Hex, Plan, Quote, Wire } from "@tac/protocol";
import { pricePlan } from "./pricePlan.ts";
import type { TariffStore } from "./TariffStore.ts";

export const quoteLifetimeSeconds = 300n;

export type QuoteRequest = { tenant: Address; gateway: Address; plan: Plan.Plan };

export type Quoter = { signer: Address; quote: (request: QuoteRequest) => Promise<Quote.SignedQuote> };

/**
 * Prices a plan with the tariffs in force, signs the result (EIP-712) and records it before handing it out.
 * `domain` is that of `TariffQuote`.
 */
export const createQuoter = ({
  store,
  domain,
  privateKey,
  now = Date.now,
}: {
  store: TariffStore;
  domain: Wire.Domain;
  privateKey: Hex;
  /** Unix milliseconds. */
  now?: () => number;
}): Quoter => {
  const signer = Wire.privateKeyToAddress(privateKey);
  return {
    signer,
    quote: async ({ tenant, gateway, plan }) => {
      const nowMs = now();
      const { steps, tariffs, ceilingNano } = pricePlan(plan, await store.current(nowMs));
      const issuedAt = BigInt(Math.floor(nowMs / 1_000));
      const quote: Quote.Quote = {
        tenant,
        gateway,
        planHash: Plan.hash(plan),
        tariffsHash: Quote.tariffsHash(tariffs),
        ceilingNano,
        issuedAt,
        expiresAt: issuedAt + quoteLifetimeSeconds,
        nonce: Wire.toHex(randomBytes(32)),
      };
      const signed = {
        quote,
        signature: Quote.sign(quote, domain, privateKey),
        signer,
        plan,
        tariffs,
        steps,
      };
      Quote.checkConsistency(signed);
      await store.recordQuote(Quote.hash(quote, domain), signed);
      return signed;
    },
  };
};
