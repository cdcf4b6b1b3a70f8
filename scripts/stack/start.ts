import { rmSync, writeFileSync } from "node:fs";
import { runCeremony } from "./ceremony.ts";
import { createCertificates } from "./certificates.ts";
import { fundGas, startBlocks, startChain } from "./chain.ts";
import { deploy } from "./deploy.ts";
import { awaitHealthy } from "./health.ts";
import { loadKeys } from "./keys.ts";
import { aggregatorIds, type Layout, type PartName } from "./layout.ts";
import { assertPortsFree } from "./ports.ts";
import { startPostgres } from "./postgres.ts";
import { type Command, type Part, startPart } from "./processes.ts";
import type { Progress } from "./progress.ts";
import { forget } from "./reset.ts";
import type { Stack } from "./Stack.ts";
import { fundTenant, seedRegistry } from "./seed.ts";
import {
  aggregatorCommand,
  commandsAfterDeployment,
  databaseNames,
  type ServiceContext,
  urlOf,
  writeConfigFiles,
} from "./services.ts";

const orchestratorAssets = 1_000_000_000n;

export type StartOptions = {
  layout: Layout;
  /** True forgets an earlier chain, databases and keys in the same folder. */
  fresh: boolean;
  progress: Progress;
};

/**
 * Brings up the whole system on this machine: chain, database, key ceremony, contracts, seed, and every service as its
 * own process. When a step fails, everything started so far is stopped again before the error is passed on.
 */
export const startStack = async ({ layout, fresh, progress }: StartOptions): Promise<Stack> => {
  await assertPortsFree(layout.ports);
  if (fresh) forget(layout);
  const parts = new Map<PartName, Part>();
  const commands = new Map<PartName, Command>();
  const closers: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    const services = [...parts].filter(([name]) => name !== "chain").map(([, part]) => part.stop());
    await Promise.all(services);
    for (const close of closers.reverse()) await close();
    rmSync(layout.stateFile, { force: true });
  };
  const start = (command: Command): Part => {
    const name = command.name as PartName;
    const part = startPart(command);
    commands.set(name, command);
    parts.set(name, part);
    writeFileSync(
      layout.stateFile,
      JSON.stringify({
        supervisor: process.pid,
        parts: [...parts.values()].map(({ name, pid }) => ({ name, pid })),
      }),
    );
    return part;
  };
  const awaitPart = (name: PartName, path: string): Promise<void> => {
    const part = parts.get(name);
    if (part === undefined) throw new Error(`${name} was not started.`);
    const url = `${urlOf(layout, name)}${path}`;
    return awaitHealthy(name === "gateway" ? { part, url, caFile: certificates.caFile } : { part, url });
  };

  const keys = loadKeys(layout);
  const certificates = await createCertificates(layout.configDir);
  const files = writeConfigFiles(layout, keys, certificates);
  try {
    const [chain, database] = await progress("chain and database", async () => {
      const startedChain = startChain(layout).then((chain) => {
        parts.set("chain", chain.part);
        closers.push(() => chain.part.stop());
        return chain;
      });
      const startedDatabase = startPostgres(layout).then((database) => {
        closers.push(database.stop);
        return database;
      });
      const [chainOutcome, databaseOutcome] = await Promise.allSettled([startedChain, startedDatabase]);
      if (chainOutcome.status === "rejected") throw chainOutcome.reason;
      if (databaseOutcome.status === "rejected") throw databaseOutcome.reason;
      for (const name of databaseNames) await databaseOutcome.value.ensure(name);
      return [chainOutcome.value, databaseOutcome.value] as const;
    });
    const context: ServiceContext = { layout, keys, certificates, files, database, rpcUrl: chain.rpcUrl };
    const key = await progress("four aggregators, and their dealerless key ceremony", async () => {
      for (const id of aggregatorIds) start(aggregatorCommand(context, id));
      await Promise.all(aggregatorIds.map((id) => awaitPart(`aggregator-${id}`, "/livez")));
      return runCeremony(layout, files.aggregators);
    });
    const deployment = await progress("contracts", async () => {
      await fundGas(chain.client, [
        ...[keys.deployer, keys.guardian, keys.treasurer, keys.gateway, keys.orchestratorTenant].map(
          ({ account }) => account.address,
        ),
        ...[...keys.aggregators.values()].map(({ submitter }) => submitter.account.address),
        ...[...keys.providers.values()].map(({ admin }) => admin.account.address),
      ]);
      return deploy(layout, chain, keys, key);
    });
    await progress("providers, gateway and a tenant, through the governor", async () => {
      await seedRegistry(chain.client, deployment, keys);
      await fundTenant(chain.client, deployment, keys.orchestratorTenant.account, orchestratorAssets);
      await startBlocks(chain);
    });
    await progress("gateway, tariff, billing, orchestrator and two providers", async () => {
      const services = commandsAfterDeployment(context);
      for (const command of services) start(command);
      await Promise.all(services.map(({ name }) => awaitPart(name as PartName, "/healthz")));
      await Promise.all(aggregatorIds.map((id) => awaitPart(`aggregator-${id}`, "/healthz")));
    });
    const partOf = (name: PartName): Part => {
      const part = parts.get(name);
      if (part === undefined) throw new Error(`There is no part ${name}.`);
      return part;
    };
    return {
      layout,
      keys,
      certificates,
      deployment,
      chain,
      databaseUrl: database.urlOf,
      part: partOf,
      kill: async (name) => {
        partOf(name).signal("SIGKILL");
        await partOf(name).exited;
      },
      restart: async (name) => {
        const command = commands.get(name);
        if (command === undefined) throw new Error(`${name} cannot be restarted by itself.`);
        if (!partOf(name).hasExited()) await partOf(name).stop();
        start(command);
        await awaitPart(name, "/healthz");
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};
