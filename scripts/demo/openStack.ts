import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment } from "@tac/protocol";
import { type ChainClient, createChainClient } from "../stack/chain.ts";
import { readDeployment } from "../stack/deploy.ts";
import { readRunning } from "../stack/down.ts";
import { createLayout, defaultDir, type Layout, repositoryDir } from "../stack/layout.ts";
import type { Progress } from "../stack/progress.ts";
import { startStack } from "../stack/start.ts";
import { urlOf } from "../stack/urlOf.ts";

/** What a client of a running stack needs to know of it. */
export type OpenStack = {
  layout: Layout;
  deployment: Deployment.Deployment;
  client: ChainClient;
  rpcUrl: string;
  ca: string;
  /** Stops the stack if it was started here. */
  close: () => Promise<void>;
};

const describeStack = (layout: Layout, close: () => Promise<void>): OpenStack => {
  const rpcUrl = urlOf(layout, "chain");
  return {
    layout,
    deployment: readDeployment(layout.deploymentFile),
    client: createChainClient(rpcUrl),
    rpcUrl,
    ca: readFileSync(join(layout.configDir, "ca.pem"), "utf8"),
    close,
  };
};

/** Uses the stack of `make up` when it runs; otherwise starts a fresh one that lives as long as the demo. */
export const openStack = async (progress: Progress, portOffset: number): Promise<OpenStack> => {
  const running = createLayout(defaultDir, portOffset);
  if (readRunning(running) !== null) return describeStack(running, async () => undefined);
  const layout = createLayout(join(repositoryDir, ".local", "demo"), portOffset);
  const stack = await startStack({ layout, fresh: true, progress });
  return describeStack(layout, stack.stop);
};
