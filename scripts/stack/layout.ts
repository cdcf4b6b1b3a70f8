import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** The repository's root folder. */
export const repositoryDir = join(import.meta.dirname, "..", "..");

const basePorts = {
  chain: 8545,
  postgres: 5433,
  gateway: 8443,
  "gateway-metrics": 8444,
  certificates: 8080,
  tariff: 8081,
  billing: 8082,
  orchestrator: 8083,
  "provider-sim-1": 8091,
  "provider-sim-2": 8092,
  "aggregator-1": 9101,
  "aggregator-2": 9102,
  "aggregator-3": 9103,
  "aggregator-4": 9104,
} as const;

export type PartName = Exclude<keyof typeof basePorts, "gateway-metrics">;
export type Ports = Record<keyof typeof basePorts, number>;

/** The parts that are services of this repository and answer `/healthz`. */
export const serviceNames: readonly PartName[] = [
  "certificates",
  "gateway",
  "tariff",
  "billing",
  "orchestrator",
  "provider-sim-1",
  "provider-sim-2",
  "aggregator-1",
  "aggregator-2",
  "aggregator-3",
  "aggregator-4",
];

export const aggregatorIds = [1, 2, 3, 4] as const;
export const aggregatorThreshold = 3;
export const providerIds = [1, 2] as const;

/** Where one stack keeps its files and listens. Two stacks with different folders and offsets can run side by side. */
export type Layout = {
  dir: string;
  keysDir: string;
  logsDir: string;
  configDir: string;
  /** A folder for each party's certificate and key. */
  tlsDir: string;
  postgresDir: string;
  chainStateFile: string;
  deploymentFile: string;
  stateFile: string;
  /** Added to every default port. */
  portOffset: number;
  ports: Ports;
};

/** `dir`: absolute folder of the stack's files; made when missing. */
export const createLayout = (dir: string, portOffset = 0): Layout => {
  const layout: Layout = {
    dir,
    keysDir: join(dir, "keys"),
    logsDir: join(dir, "logs"),
    configDir: join(dir, "config"),
    tlsDir: join(dir, "tls"),
    postgresDir: join(dir, "postgres"),
    chainStateFile: join(dir, "chain.json"),
    deploymentFile: join(dir, "addresses.json"),
    stateFile: join(dir, "stack.json"),
    portOffset,
    ports: Object.fromEntries(
      Object.entries(basePorts).map(([name, port]) => [name, port + portOffset]),
    ) as Ports,
  };
  for (const folder of [layout.keysDir, layout.logsDir, layout.configDir, layout.tlsDir])
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  return layout;
};

export const defaultDir = join(repositoryDir, ".local", "stack");
export const sharedDeploymentFile = join(repositoryDir, "infra", "compose", "addresses.json");
