import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Deployment } from "@tac/protocol";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { runCeremony } from "../stack/ceremony.ts";
import { createCertificates } from "../stack/certificates.ts";
import { awaitChain, chainCommand, fundGas, startBlocks } from "../stack/chain.ts";
import { deploy } from "../stack/deploy.ts";
import { loadKeys } from "../stack/keys.ts";
import { aggregatorIds, type Layout, providerIds, repositoryDir } from "../stack/layout.ts";
import { findFreeLayout } from "../stack/ports.ts";
import {
  databaseUrl,
  ensureDatabases,
  gatewayDatabaseUrl,
  overUnixSocket,
  postgresCommand,
} from "../stack/postgres.ts";
import type { Command } from "../stack/processes.ts";
import type { Progress } from "../stack/progress.ts";
import { forget } from "../stack/reset.ts";
import { createSupervisor } from "../stack/Supervisor.ts";
import { fundTenant, seedRegistry } from "../stack/seed.ts";
import {
  aggregatorCommand,
  databaseNames,
  gatewayCommand,
  type ServiceContext,
  tariffCommand,
  writeConfigFiles,
} from "../stack/services.ts";
import { startArgs } from "../stack/startArgs.ts";
import { urlOf } from "../stack/urlOf.ts";
import { benchDir } from "./settings.ts";

/** What a tenant of the bench has to spend, in units of an asset with six decimals: a million dollars. */
const TENANT_ASSETS = 1_000_000_000_000n;
/** The default limits stand at a thousand calls a second, and would be measured instead of the gateway. */
const noRateLimits = {
  RATE_LIMIT_IP_PER_MINUTE: "100000000",
  RATE_LIMIT_JOB_PER_MINUTE: "100000000",
  RATE_LIMIT_QUOTES_PER_MINUTE: "100000000",
};

/** What is measured, and what it stands on: chain, PostgreSQL, tariff and one provider, each its own process. */
export type BenchStack = {
  layout: Layout;
  provider: { origin: string; apiKey: string; pid: number };
  postgres: { url: string; pid: number };
  gateway: { origin: string; pid: number; ca: string; command: Command };
  /** Content of the deployment's file. */
  deployment: unknown;
  /** Of a tenant with money in the vault. */
  tenantPrivateKey: Hex;
  stop: () => Promise<void>;
};

/** One provider for everyone: it checks an API key, and neither demands nor signs anything. */
const providerCommand = (layout: Layout, apiKey: string): Command => ({
  name: "provider-sim-1",
  command: process.execPath,
  args: startArgs("provider-sim"),
  cwd: join(repositoryDir, "services", "provider-sim"),
  logFile: join(layout.logsDir, "provider-sim-1.log"),
  env: {
    NODE_ENV: "production",
    PORT: String(layout.ports["provider-sim-1"]),
    API_KEY: apiKey,
    UNSAFE_PLAIN_HTTP: "1",
    REPORTS_USAGE: "none",
  },
});

/** Starts it afresh on free ports, with the functions that `make up` uses. `nodeArgs` are for our gateway's process. */
export const startBenchStack = async (
  progress: Progress,
  nodeArgs: readonly string[],
): Promise<BenchStack> => {
  const dir = join(benchDir, "stack");
  const layout = await findFreeLayout(dir);
  forget(layout);
  const keys = loadKeys(layout);
  const certificates = await createCertificates(layout, keys);
  const files = writeConfigFiles(layout, keys, certificates);
  const apiKey = keys.providers.get(1)?.apiKey ?? "";
  // Plain, because the gateways measured beside ours call the same one.
  const origin = `http://127.0.0.1:${layout.ports["provider-sim-1"]}`;
  writeFileSync(
    files.providers,
    JSON.stringify(
      providerIds.map((providerId) => ({
        providerId,
        baseUrl: origin,
        apiKey,
        reportsUsage: "none",
        unsafePlainHttp: true,
      })),
    ),
  );
  const context: ServiceContext = { layout, keys, certificates, files };
  const supervisor = createSupervisor(layout, certificates);
  try {
    const chain = await progress("chain and database", async () => {
      const chainPart = supervisor.start(chainCommand(layout));
      await ensureDatabases(layout, supervisor.start(postgresCommand(layout)), databaseNames);
      return awaitChain(layout, chainPart);
    });
    const key = await progress("a key ceremony of four aggregators, which then leave", async () => {
      for (const id of aggregatorIds) supervisor.start(aggregatorCommand(context, id));
      await Promise.all(aggregatorIds.map((id) => supervisor.awaitHealthy(`aggregator-${id}`, "/livez")));
      const groupKey = await runCeremony(layout, files.aggregators, certificates);
      await Promise.all(aggregatorIds.map((id) => supervisor.kill(`aggregator-${id}`)));
      return groupKey;
    });
    const deployment = await progress("contracts, provider and gateway on chain", async () => {
      await fundGas(
        chain.client,
        [
          keys.deployer,
          keys.guardian,
          keys.treasurer,
          keys.gateway,
          ...[...keys.providers.values()].map(({ admin }) => admin),
        ].map(({ account }) => account.address),
      );
      const deployed = await deploy(layout, chain, keys, key);
      await seedRegistry(chain.client, deployed, keys);
      return deployed;
    });
    const tenantPrivateKey = generatePrivateKey();
    const tenant = privateKeyToAccount(tenantPrivateKey);
    await fundGas(chain.client, [tenant.address]);
    await fundTenant(chain.client, deployment, tenant, TENANT_ASSETS);
    await startBlocks(chain);
    const whole = gatewayCommand(context);
    const command = {
      ...whole,
      args: [...nodeArgs, ...whole.args],
      env: {
        ...whole.env,
        ...noRateLimits,
        // As docs/OPERATIONS.md advises where both are on one machine: a socket of the file system, not TCP.
        DATABASE_URL: overUnixSocket(gatewayDatabaseUrl(layout)),
      },
    };
    await progress("tariff, provider and gateway", async () => {
      const services = [tariffCommand(context), providerCommand(layout, apiKey), command];
      for (const service of services) supervisor.start(service);
      await Promise.all(services.map(({ name }) => supervisor.awaitHealthy(name, "/healthz")));
    });
    return {
      layout,
      provider: { origin, apiKey, pid: supervisor.part("provider-sim-1").pid },
      postgres: { url: databaseUrl(layout, "gateway"), pid: supervisor.part("postgres").pid },
      gateway: {
        origin: urlOf(layout, "gateway"),
        pid: supervisor.part("gateway").pid,
        ca: readFileSync(certificates.caFile, "utf8"),
        command,
      },
      deployment: Deployment.toJson(deployment),
      tenantPrivateKey,
      stop: supervisor.stop,
    };
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
};
