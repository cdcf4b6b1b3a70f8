import { configFields, loadConfig, tlsFields } from "@tac/kit";
import { Wire } from "@tac/protocol";
import { z } from "zod";

const list = z.string().transform((text) => text.split(",").map((item) => item.trim()));
const milliseconds = z.coerce.number().int().min(0).default(0).describe("milliseconds");

export const readConfig = (env?: Record<string, string | undefined>) =>
  loadConfig(
    {
      HOST: configFields.host,
      PORT: configFields.port(8091),
      LOG_LEVEL: configFields.logLevel,
      /** Whoever calls must show a certificate of TLS_CA_FILE; with a deployment, that of the token's own gateway. */
      ...tlsFields,
      API_KEY: configFields.secret,
      MODELS: list
        .pipe(z.array(Wire.modelName).min(1))
        .default(["sim-chat-large", "sim-chat-small", "sim-embed"])
        .describe("the names of the models, separated by commas"),

      /** With it, calls without a gateway's grant are refused and the usage is countersigned. */
      DEPLOYMENT_FILE: configFields.filePath.optional(),
      PROVIDER_ID: z.coerce.number().pipe(Wire.providerId).optional().describe("this provider's id on chain"),
      SIGNING_KEY: configFields.privateKey.optional(),
      GATEWAYS: list
        .pipe(z.array(Wire.address).min(1))
        .optional()
        .describe("addresses of gateways, separated by commas"),
      RPC_URLS: configFields.rpcUrls.optional(),
      /** Base URL of the gateway whose signed list of revocations is followed; GATEWAYS then names that gateway alone. */
      REVOCATIONS_URL: configFields.httpUrl.optional(),
      GATEWAY_PUBLIC_URL: configFields.httpUrl.optional(),

      REPORTS_USAGE: z.enum(["inline", "emit", "none"]).default("inline").describe("inline, emit or none"),
      GATEWAY_URL: configFields.httpUrl.optional(),
      GATEWAY_CA_FILE: configFields.filePath.optional(),

      SIM_LATENCY_MS: milliseconds,
      SIM_TOKEN_LATENCY_MS: milliseconds,
      SIM_FAILURE_RATE: z.coerce.number().min(0).max(1).default(0).describe("a chance, 0 to 1"),
      SIM_FAILURE_STATUS: z.coerce
        .number()
        .int()
        .min(400)
        .max(599)
        .default(500)
        .describe("an HTTP status, 400 to 599"),
      SIM_HANG: configFields.flag,
    },
    env,
  );

export type Config = ReturnType<typeof readConfig>;
