import { configFields, tlsFields } from "@tac/kit";
import { z } from "zod";

const urlList = z
  .string()
  .transform((list) => list.split(",").map((url) => url.trim()))
  .pipe(z.array(configFields.httpUrl).min(1));

/** Environment of the service. */
export const configShape = {
  PORT: configFields.port(8082),
  HOST: configFields.host,
  LOG_LEVEL: configFields.logLevel,
  /** TLS_CA_FILE: the authorities that sign the aggregators' certificates; the system's when absent. */
  ...tlsFields,
  DATABASE_URL: configFields.databaseUrl,
  REDIS_URL: configFields.redisUrl.optional(),
  RPC_URLS: configFields.rpcUrls,
  DEPLOYMENT_FILE: configFields.filePath.describe("the path of addresses.json"),
  AGGREGATOR_URLS: urlList.describe("the URLs of the aggregators, separated by commas"),
  TARIFF_URL: configFields.httpUrl.describe("the URL of the tariff service"),
  BILLING_PRIVATE_KEY: configFields.privateKey.describe(
    "the key that signs invoices: 0x and 64 hexadecimal digits",
  ),
  EXPLORER_URL: configFields.httpUrl.describe("the URL of a block explorer, for links").optional(),
  TAX_RULES_FILE: configFields.filePath.describe("the path of the tax rules (JSON)").optional(),
  CONFIRMATIONS: z.coerce
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe("how many blocks old a block must be before its events count"),
};
