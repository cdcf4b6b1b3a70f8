import { configFields, loadConfig, tlsFields } from "@tac/kit";

export const readConfig = (env?: Record<string, string | undefined>) =>
  loadConfig(
    {
      HOST: configFields.host,
      PORT: configFields.port(8081),
      LOG_LEVEL: configFields.logLevel,
      ...tlsFields,
      DATABASE_URL: configFields.databaseUrl,
      DEPLOYMENT_FILE: configFields.filePath.describe(
        "the path of the addresses of the contracts, addresses.json",
      ),
      SIGNER_PRIVATE_KEY: configFields.privateKey,
      ADMIN_TOKEN: configFields.secret,
      TARIFFS_FILE: configFields.filePath.optional(),
    },
    env,
  );
