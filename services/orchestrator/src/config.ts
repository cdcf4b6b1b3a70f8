import { configFields, loadConfig, tlsFields } from "@tac/kit";
import { z } from "zod";

export type Config = ReturnType<typeof readConfig>;

export const readConfig = (env?: Record<string, string | undefined>) =>
  loadConfig(
    {
      HOST: configFields.host,
      PORT: configFields.port(8083),
      LOG_LEVEL: configFields.logLevel,
      ...tlsFields,
      DATABASE_URL: configFields.databaseUrl,
      GATEWAY_URL: z.url({ protocol: /^https$/ }).describe("the https URL of the gateway"),
      GATEWAY_CA_FILE: configFields.filePath
        .optional()
        .describe("the path of the PEM certificates to trust for the gateway"),
      TARIFF_URL: configFields.httpUrl,
      TARIFF_SIGNER: configFields.address.optional().describe("the only address whose quotes are accepted"),
      DEPLOYMENT_FILE: configFields.filePath.describe(
        "the path of the addresses of the contracts, addresses.json",
      ),
      TENANT_PRIVATE_KEY: configFields.privateKey,
      POLICY_FILE: configFields.filePath.optional(),
      API_TOKEN: configFields.secret,
      MAX_RUNNING_TASKS: z.coerce.number().int().min(1).default(16).describe("tasks that run at a time"),
      OUTPUTS_TTL_SECONDS: z.coerce
        .number()
        .int()
        .min(0)
        .default(600)
        .describe("how long answers stay in memory after a task has ended"),
      SETTLEMENT_TIMEOUT_SECONDS: z.coerce
        .number()
        .int()
        .min(1)
        .default(120)
        .describe("how long to wait for a settlement"),
    },
    env,
  );
