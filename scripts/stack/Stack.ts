import type { Deployment } from "@tac/protocol";
import type { Certificates } from "./certificates.ts";
import type { LocalChain } from "./chain.ts";
import type { Keys } from "./keys.ts";
import type { Layout, PartName } from "./layout.ts";
import type { Command, Part } from "./processes.ts";

/** Ends a part if it runs, starts it with its settings, changed by `env` from now on, and waits until it is healthy. */
export type Restart = (name: PartName, env?: Record<string, string>) => Promise<void>;

/** A running local stack, as its supervisor sees it. */
export type Stack = {
  layout: Layout;
  keys: Keys;
  certificates: Certificates;
  deployment: Deployment.Deployment;
  chain: LocalChain;
  /** Of one of the services' databases, by its name. */
  databaseUrl: (name: string) => string;
  part: (name: PartName) => Part;
  /** What a part was started with. */
  command: (name: PartName) => Command;
  /** Ends a part at once, as a crash would. */
  kill: (name: PartName) => Promise<void>;
  restart: Restart;
  stop: () => Promise<void>;
};
