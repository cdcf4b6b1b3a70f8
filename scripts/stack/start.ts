import { runCeremony } from "./ceremony.ts";
import { certificateCommand, createCertificates } from "./certificates.ts";
import { awaitChain, chainCommand, fundGas, startBlocks } from "./chain.ts";
import { deploy } from "./deploy.ts";
import { type Keys, loadKeys } from "./keys.ts";
import { aggregatorIds, type Layout } from "./layout.ts";
import { assertPortsFree, findFreeLayout } from "./ports.ts";
import { databaseUrl, ensureDatabases, postgresCommand } from "./postgres.ts";
import type { Progress } from "./progress.ts";
import { forget } from "./reset.ts";
import type { Stack } from "./Stack.ts";
import { createSupervisor } from "./Supervisor.ts";
import { fundTenant, seedRegistry } from "./seed.ts";
import {
  aggregatorCommand,
  commandsAfterDeployment,
  databaseNames,
  type ServiceContext,
  writeConfigFiles,
} from "./services.ts";

/** A thousand dollars, in units of an asset with six decimals. */
const orchestratorAssets = 1_000_000_000n;

export type StartOptions = {
  layout: Layout;
  /** True forgets an earlier chain, databases and keys in the same folder. */
  fresh: boolean;
  progress: Progress;
};

/** Who sends transactions on the local chain. */
const senders = (keys: Keys) =>
  [
    keys.deployer,
    keys.guardian,
    keys.treasurer,
    keys.gateway,
    keys.orchestratorTenant,
    ...[...keys.aggregators.values()].map(({ submitter }) => submitter),
    ...[...keys.providers.values()].map(({ admin }) => admin),
  ].map(({ account }) => account.address);

/** A stack of the caller's own: fresh, in this folder, on ports that are free, so that it runs beside any other. */
export const startOwnStack = async (dir: string, progress: StartOptions["progress"]): Promise<Stack> =>
  startStack({ layout: await findFreeLayout(dir), fresh: true, progress });

/**
 * Brings up the whole system on this machine: chain, database, key ceremony, contracts, seed, and every service as its
 * own process. When a step fails, everything started so far is stopped again before the error is passed on.
 */
export const startStack = async ({ layout, fresh, progress }: StartOptions): Promise<Stack> => {
  await assertPortsFree(layout.ports);
  if (fresh) forget(layout);
  const keys = loadKeys(layout);
  const certificates = await createCertificates(layout, keys);
  const files = writeConfigFiles(layout, keys, certificates);
  const context: ServiceContext = { layout, keys, certificates, files };
  const supervisor = createSupervisor(layout, certificates);
  try {
    const chain = await progress("chain and database", async () => {
      supervisor.start(certificateCommand(layout, certificates));
      const chainPart = supervisor.start(chainCommand(layout));
      const postgresPart = supervisor.start(postgresCommand(layout));
      await ensureDatabases(layout, postgresPart, databaseNames);
      return awaitChain(layout, chainPart);
    });
    const key = await progress("four aggregators, and their dealerless key ceremony", async () => {
      for (const id of aggregatorIds) supervisor.start(aggregatorCommand(context, id));
      await Promise.all(aggregatorIds.map((id) => supervisor.awaitHealthy(`aggregator-${id}`, "/livez")));
      return runCeremony(layout, files.aggregators, certificates);
    });
    const deployment = await progress("contracts", async () => {
      await fundGas(chain.client, senders(keys));
      return deploy(layout, chain, keys, key);
    });
    await progress("providers, gateway and a tenant, through the governor", async () => {
      await seedRegistry(chain.client, deployment, keys);
      await fundTenant(chain.client, deployment, keys.orchestratorTenant.account, orchestratorAssets);
      await startBlocks(chain);
    });
    await progress("gateway, tariff, billing, orchestrator and two providers", async () => {
      const services = commandsAfterDeployment(context);
      for (const command of services) supervisor.start(command);
      await Promise.all(services.map(({ name }) => supervisor.awaitHealthy(name, "/healthz")));
      await Promise.all(aggregatorIds.map((id) => supervisor.awaitHealthy(`aggregator-${id}`, "/healthz")));
    });
    const { part, command, kill, restart, stop } = supervisor;
    const urlOfDatabase = (name: string): string => databaseUrl(layout, name);
    return {
      layout,
      keys,
      certificates,
      deployment,
      chain,
      databaseUrl: urlOfDatabase,
      part,
      command,
      kill,
      restart,
      stop,
    };
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
};
