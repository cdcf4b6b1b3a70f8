import { freePort } from "@tac/kit/testing";
import { repositoryDir } from "../../stack/layout.ts";
import type { BenchStack } from "../benchStack.ts";
import type { Settings } from "../settings.ts";
import type { Subject } from "./Subject.ts";
import { bearer, shots } from "./shots.ts";
import { type Peers, startPeer } from "./startPeer.ts";

/** The provider itself: what everything else is compared with. */
export const startDirect = async (stack: BenchStack): Promise<Subject> => ({
  name: "direct",
  version: "",
  does: "the simulated provider itself, over plain HTTP",
  pids: [],
  usesPostgres: false,
  target: { kind: "plain", origin: stack.provider.origin, ...shots(bearer(stack.provider.apiKey)) },
});

const targetOf = (stack: BenchStack, { jobs }: Settings) => ({
  kind: "gateway" as const,
  deployment: stack.deployment,
  tenantPrivateKey: stack.tenantPrivateKey,
  jobCount: jobs,
  ...shots({}),
});

export const startGateway = async (
  stack: BenchStack,
  _peers: Peers,
  settings: Settings,
): Promise<Subject> => ({
  name: "gateway",
  version: "",
  does: "one process, everything on: TLS 1.3, Usage-Auth, a proof per call bound to the connection, a hold before and a charge after in PostgreSQL with fsync, over its Unix socket, signed receipt, hash-chained ledger and feed, stored answer",
  pids: [stack.gateway.pid],
  usesPostgres: true,
  target: {
    ...targetOf(stack, settings),
    origin: stack.gateway.origin,
    ca: stack.gateway.ca,
  },
});

/** There is no mode without proofs: a call that nobody proved could not be billed. What can be left out is TLS. */
export const startPlainGateway = async (
  stack: BenchStack,
  peers: Peers,
  settings: Settings,
): Promise<Subject> => {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const { command } = stack.gateway;
  const { METRICS_PORT: _, TLS_CERT_FILE: __, TLS_KEY_FILE: ___, ...env } = command.env;
  const pid = await startPeer(
    peers,
    {
      name: "gateway-plain",
      command: command.command,
      args: command.args.filter((argument) => !argument.startsWith("--cpu-prof")),
      env: {
        ...env,
        PORT: String(port),
        PUBLIC_URL: origin,
        REPLICA_ID: "gateway-plain",
        UNSAFE_PLAIN_HTTP: "1",
      },
      cwd: repositoryDir.concat("/services/gateway"),
    },
    `${origin}/healthz`,
  );
  return {
    name: "gateway-plain",
    version: "",
    does: "the same without TLS, and so with proofs that are bound to a nonce and not to the connection; a second replica on the same database",
    pids: [pid],
    usesPostgres: true,
    target: { ...targetOf(stack, settings), origin, ca: null },
  };
};
