import type { Hex } from "viem";
import { z } from "zod";
import { hashJson } from "./internal/canonicalJson.ts";
import * as Pricing from "./Pricing.ts";
import * as Wire from "./Wire.ts";

export type Kind = "chat" | "embeddings" | "http";

export type TariffModel = {
  model: string;
  kind: Kind;
  prices: Pricing.Prices;
  contextTokens: bigint;
  maxOutputTokens: bigint;
};

/** What one provider charges from `effectiveFromMs` (Unix milliseconds) on. Versions count from 1. */
export type Tariff = {
  providerId: number;
  version: number;
  currency: "CREDIT";
  models: TariffModel[];
  effectiveFromMs: number;
};

export const kindSchema = z.enum(["chat", "embeddings", "http"]);

const modelSchema: z.ZodType<TariffModel> = z.strictObject({
  model: Wire.modelName,
  kind: kindSchema,
  prices: Pricing.pricesSchema,
  contextTokens: Wire.uint64,
  maxOutputTokens: Wire.uint64,
});

export const schema: z.ZodType<Tariff> = z.strictObject({
  providerId: Wire.providerId,
  version: z.int().min(1).max(0xffff_ffff),
  currency: z.literal("CREDIT"),
  models: z
    .array(modelSchema)
    .min(1)
    .max(1024)
    .refine((models) => new Set(models.map(({ model }) => model)).size === models.length, "models repeat"),
  effectiveFromMs: z.int().min(0),
});

export function toJson(tariff: Tariff) {
  return {
    providerId: tariff.providerId,
    version: tariff.version,
    currency: tariff.currency,
    models: tariff.models.map((entry) => ({
      model: entry.model,
      kind: entry.kind,
      prices: Pricing.pricesToJson(entry.prices),
      contextTokens: entry.contextTokens.toString(),
      maxOutputTokens: entry.maxOutputTokens.toString(),
    })),
    effectiveFromMs: tariff.effectiveFromMs,
  };
}

/** keccak256 of the RFC 8785 JSON in UTF-8; the provider publishes it on chain. */
export function hash(tariff: Tariff): Hex {
  return hashJson(toJson(tariff));
}

export function findModel(tariff: Tariff, model: string): TariffModel | undefined {
  return tariff.models.find((entry) => entry.model === model);
}
