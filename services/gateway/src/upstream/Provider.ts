import { readFileSync } from "node:fs";
import { z } from "zod";

/** A provider this gateway may send calls to. `apiKey` is the gateway's, and leaves only for `baseUrl`. */
export type Provider = {
  providerId: number;
  baseUrl: string;
  apiKey: string;
  /** Where the provider's signed usage report comes: with the answer, at POST /v1/usage/emit, or never. */
  reportsUsage: "inline" | "emit" | "none";
};

const providersSchema = z
  .array(
    z.strictObject({
      providerId: z.int().min(1).max(0xffff_ffff),
      baseUrl: z
        .url({ protocol: /^https?$/ })
        .transform((url) => url.replace(/\/+$/, "").replace(/\/v1$/, "")),
      apiKey: z.string().min(1),
      reportsUsage: z.enum(["inline", "emit", "none"]),
    }),
  )
  .refine(
    (providers) => new Set(providers.map(({ providerId }) => providerId)).size === providers.length,
    "a provider is listed twice",
  );

/** Reads PROVIDERS_FILE. Throws a ZodError that names what is wrong. */
export function loadProviders(file: string): Provider[] {
  return providersSchema.parse(JSON.parse(readFileSync(file, "utf8")));
}
