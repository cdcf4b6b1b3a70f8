import { readFileSync } from "node:fs";
import { type Address, isAddress } from "viem";
import { z } from "zod";

const BASIS_POINTS_PER_WHOLE = 10_000n;

const rulesSchema = z.strictObject({
  /** ISO 3166-1 alpha-2 country to basis points: `{"DE": 1900}`. */
  basisPointsOfCountry: z.record(z.string().regex(/^[A-Z]{2}$/), z.int().min(0).max(10_000)),
  /** Tenant address to its country of taxation. */
  countryOfTenant: z.record(
    z
      .string()
      .refine((address) => isAddress(address, { strict: false }), "must be an address")
      .transform((address) => address.toLowerCase()),
    z.string().regex(/^[A-Z]{2}$/),
  ),
});

export type TaxRules = z.infer<typeof rulesSchema>;
export type TaxRate = { country: string | null; basisPoints: number };

export const NO_TAX: TaxRules = { basisPointsOfCountry: {}, countryOfTenant: {} };

/** Reads TAX_RULES_FILE. Throws when the file is unreadable or names a country without a rate. */
export function readTaxRules(path: string): TaxRules {
  const rules = rulesSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  for (const [tenant, country] of Object.entries(rules.countryOfTenant)) {
    if (rules.basisPointsOfCountry[country] === undefined)
      throw new Error(`${path}: tenant ${tenant} is in ${country}, which has no basis points`);
  }
  return rules;
}

/** The rate of a tenant; zero, without a country, for a tenant the rules do not name. */
export function taxRateOf(tenant: Address, rules: TaxRules): TaxRate {
  const country = rules.countryOfTenant[tenant.toLowerCase()];
  if (country === undefined) return { country: null, basisPoints: 0 };
  return { country, basisPoints: rules.basisPointsOfCountry[country] ?? 0 };
}

/** Tax in nanocredits, rounded half up, once for the whole invoice. */
export function taxNano(amountNano: bigint, basisPoints: number): bigint {
  const product = amountNano * BigInt(basisPoints);
  return (product + BASIS_POINTS_PER_WHOLE / 2n) / BASIS_POINTS_PER_WHOLE;
}
