import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Tariff } from "@tac/protocol";
import type { Certificates } from "./certificates.ts";
import type { Keys } from "./keys.ts";
import {
  aggregatorIds,
  aggregatorThreshold,
  type Layout,
  type PartName,
  providerIds,
  repositoryDir,
} from "./layout.ts";
import { databaseUrl, gatewayDatabaseUrl } from "./postgres.ts";
import type { Command } from "./processes.ts";
import { startArgs } from "./startArgs.ts";
import { localTariffs } from "./tariffs.ts";
import { urlOf } from "./urlOf.ts";

export type ConfigFiles = { aggregators: string; gateways: string; providers: string; tariffs: string };

/** Writes the files that several services share: who the aggregators, gateways and providers are, and the tariffs. */
export const writeConfigFiles = (layout: Layout, keys: Keys, certificates: Certificates): ConfigFiles => {
  const write = (name: string, value: unknown): string => {
    const file = join(layout.configDir, name);
    writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
    return file;
  };
  return {
    aggregators: write("aggregators.json", {
      laneId: 0,
      threshold: aggregatorThreshold,
      replicas: [...keys.aggregators].map(([id, { node }]) => ({
        id,
        url: urlOf(layout, `aggregator-${id}` as PartName),
        nodePublicKey: node.nodePublicKey,
        encryptionPublicKey: node.encryptionPublicKey,
      })),
    }),
    gateways: write("gateways.json", [
      {
        address: keys.gateway.account.address.toLowerCase(),
        url: urlOf(layout, "gateway"),
      },
    ]),
    providers: write(
      "providers.json",
      [...keys.providers].map(([providerId, { apiKey }]) => ({
        providerId,
        baseUrl: urlOf(layout, `provider-sim-${providerId}` as PartName),
        apiKey,
        reportsUsage: "inline",
        mutualTls: { caFile: certificates.caFile },
      })),
    ),
    tariffs: write("tariffs.json", localTariffs.map(Tariff.toJson)),
  };
};

export type ServiceContext = {
  layout: Layout;
  keys: Keys;
  certificates: Certificates;
  files: ConfigFiles;
};

/** What a service that speaks TLS shows, and whom it trusts. */
const tlsOf = ({ caFile, of }: Certificates, name: PartName): Record<string, string> => {
  const { certFile, keyFile } = of(name);
  return { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CA_FILE: caFile };
};

/** A service runs from its sources, in a process of its own, with nothing in its environment but what it needs. */
const service = (layout: Layout, name: PartName, folder: string, env: Record<string, string>): Command => ({
  name,
  command: process.execPath,
  args: startArgs(folder),
  cwd: join(repositoryDir, "services", folder),
  logFile: join(layout.logsDir, `${name}.log`),
  env: {
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PORT: String(layout.ports[name]),
    LOG_LEVEL: "info",
    ...env,
  },
});

export const aggregatorCommand = (
  { layout, keys, certificates, files }: ServiceContext,
  id: number,
): Command => {
  const secrets = keys.aggregators.get(id);
  if (secrets === undefined) throw new Error(`There is no aggregator ${id}.`);
  const name = `aggregator-${id}` as PartName;
  return service(layout, name, "oracle-agg", {
    ...tlsOf(certificates, name),
    REPLICA_ID: String(id),
    DATABASE_URL: databaseUrl(layout, `aggregator_${id}`),
    AGGREGATORS_FILE: files.aggregators,
    NODE_KEY_FILE: secrets.node.file,
    NEXT_AGGREGATORS_FILE: join(layout.configDir, "aggregators.next.json"),
    KEY_FILE: secrets.shareFile,
    KEY_PASSPHRASE_FILE: secrets.passphraseFile,
    DEPLOYMENT_FILE: layout.deploymentFile,
    GATEWAYS_FILE: files.gateways,
    RPC_URLS: urlOf(layout, "chain"),
    SUBMITTER_PRIVATE_KEY: secrets.submitter.privateKey,
    TARIFF_URL: urlOf(layout, "tariff"),
    TARIFF_SIGNERS: keys.tariff.account.address.toLowerCase(),
  });
};

export const providerCommand = ({ layout, keys, certificates }: ServiceContext, id: number): Command => {
  const secrets = keys.providers.get(id);
  if (secrets === undefined) throw new Error(`There is no provider ${id}.`);
  const name = `provider-sim-${id}` as PartName;
  return service(layout, name, "provider-sim", {
    ...tlsOf(certificates, name),
    PROVIDER_ID: String(id),
    API_KEY: secrets.apiKey,
    SIGNING_KEY: secrets.signing.privateKey,
    DEPLOYMENT_FILE: layout.deploymentFile,
    GATEWAYS: keys.gateway.account.address.toLowerCase(),
    RPC_URLS: urlOf(layout, "chain"),
    REVOCATIONS_URL: urlOf(layout, "gateway"),
    GATEWAY_CA_FILE: certificates.caFile,
    REPORTS_USAGE: "inline",
    MODELS: (localTariffs.find(({ providerId }) => providerId === id)?.models ?? [])
      .map(({ model }) => model)
      .join(","),
  });
};

export const tariffCommand = ({ layout, keys, files }: ServiceContext): Command =>
  service(layout, "tariff", "tariff", {
    DATABASE_URL: databaseUrl(layout, "tariff"),
    TARIFFS_FILE: files.tariffs,
    SIGNER_PRIVATE_KEY: keys.tariff.privateKey,
    DEPLOYMENT_FILE: layout.deploymentFile,
    ADMIN_TOKEN: keys.tokens.tariffAdmin,
  });

export const gatewayCommand = ({ layout, keys, certificates, files }: ServiceContext): Command =>
  service(layout, "gateway", "gateway", {
    PUBLIC_URL: urlOf(layout, "gateway"),
    METRICS_PORT: String(layout.ports["gateway-metrics"]),
    DATABASE_URL: gatewayDatabaseUrl(layout),
    MIGRATION_DATABASE_URL: databaseUrl(layout, "gateway"),
    ADMIN_TOKEN: keys.tokens.gatewayAdmin,
    DEPLOYMENT_FILE: layout.deploymentFile,
    RPC_URLS: urlOf(layout, "chain"),
    GATEWAY_PRIVATE_KEY: keys.gateway.privateKey,
    REPLICA_ID: "gateway-1",
    ...tlsOf(certificates, "gateway"),
    TLS_CLIENT_CERT_FILE: certificates.of("gateway-client").certFile,
    TLS_CLIENT_KEY_FILE: certificates.of("gateway-client").keyFile,
    PROVIDERS_FILE: files.providers,
    AGGREGATORS_FILE: files.aggregators,
    TARIFF_URL: urlOf(layout, "tariff"),
    TARIFF_SIGNERS: keys.tariff.account.address.toLowerCase(),
  });

export const billingCommand = ({ layout, keys, certificates }: ServiceContext): Command =>
  service(layout, "billing", "billing", {
    DATABASE_URL: databaseUrl(layout, "billing"),
    DEPLOYMENT_FILE: layout.deploymentFile,
    RPC_URLS: urlOf(layout, "chain"),
    TLS_CA_FILE: certificates.caFile,
    AGGREGATOR_URLS: aggregatorIds.map((id) => urlOf(layout, `aggregator-${id}`)).join(","),
    TARIFF_URL: urlOf(layout, "tariff"),
    BILLING_PRIVATE_KEY: keys.billing.privateKey,
  });

export const orchestratorCommand = ({ layout, keys, certificates }: ServiceContext): Command =>
  service(layout, "orchestrator", "orchestrator", {
    DATABASE_URL: databaseUrl(layout, "orchestrator"),
    DEPLOYMENT_FILE: layout.deploymentFile,
    GATEWAY_URL: urlOf(layout, "gateway"),
    GATEWAY_CA_FILE: certificates.caFile,
    TARIFF_URL: urlOf(layout, "tariff"),
    TENANT_PRIVATE_KEY: keys.orchestratorTenant.privateKey,
    API_TOKEN: keys.tokens.orchestrator,
    TARIFF_SIGNER: keys.tariff.account.address.toLowerCase(),
  });

export const databaseNames = [
  "tariff",
  "gateway",
  "billing",
  "orchestrator",
  ...aggregatorIds.map((id) => `aggregator_${id}`),
];

export const commandsAfterDeployment = (context: ServiceContext): Command[] => [
  tariffCommand(context),
  ...providerIds.map((id) => providerCommand(context, id)),
  gatewayCommand(context),
  billingCommand(context),
  orchestratorCommand(context),
];
