import { readFileSync } from "node:fs";
import { ConfigError } from "@tac/kit";
import { z } from "zod";

/** A provider this gateway may send calls to. `apiKey` is the gateway's, and leaves only for `baseUrl`. */
export type Provider = {
  providerId: number;
  baseUrl: string;
  apiKey: string;
  /** Where the provider's signed usage report comes: with the answer, at POST /v1/usage/emit, or never. */
  reportsUsage: "inline" | "emit" | "none";
  /**
   * The provider checks a certificate of this gateway, and shows one of the bundle that names it
   * (`urn:tac:provider:<id>`). Absent: ordinary TLS, as public providers speak it.
   */
  mutualTls?: { caFile: string } | undefined;
  /** PEM bundle to trust instead of the system's, with ordinary TLS. */
  caFile?: string | undefined;
};

/** `allowsPlain`: every provider may be spoken to without TLS, whatever its entry says. */
export type LoadOptions = { allowsPlain: boolean };

const providersSchema = z
  .array(
    z.strictObject({
      providerId: z.int().min(1).max(0xffff_ffff),
      baseUrl: z
        .url({ protocol: /^https?$/ })
        .transform((url) => url.replace(/\/+$/, "").replace(/\/v1$/, "")),
      apiKey: z.string().min(1),
      reportsUsage: z.enum(["inline", "emit", "none"]),
      mutualTls: z.strictObject({ caFile: z.string().min(1) }).optional(),
      caFile: z.string().min(1).optional(),
      /** True: this provider's key and every prompt for it cross the network unprotected. */
      unsafePlainHttp: z.boolean().default(false),
    }),
  )
  .refine(
    (providers) => new Set(providers.map(({ providerId }) => providerId)).size === providers.length,
    "a provider is listed twice",
  );

/** Reads PROVIDERS_FILE. Errors: a ZodError that names what is wrong, ConfigError for a URL without TLS. */
export function loadProviders(file: string, { allowsPlain }: LoadOptions): Provider[] {
  const entries = providersSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  return entries.map(({ unsafePlainHttp, ...provider }) => {
    const isPlain = provider.baseUrl.startsWith("http:");
    const refuse = (problem: string): never => {
      throw new ConfigError([
        { variable: "PROVIDERS_FILE", problem: `provider ${provider.providerId} ${problem}` },
      ]);
    };
    if (isPlain && !allowsPlain && !unsafePlainHttp)
      refuse("has no https URL; UNSAFE_PLAIN_PROVIDERS=1, or unsafePlainHttp in its entry, allows it");
    if (isPlain && (provider.mutualTls !== undefined || provider.caFile !== undefined))
      refuse("has TLS settings and a URL without TLS");
    if (provider.mutualTls !== undefined && provider.caFile !== undefined)
      refuse("names two bundles; the one of mutualTls is enough");
    return provider;
  });
}
