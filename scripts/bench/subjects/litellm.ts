import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@tac/kit/testing";
import type { BenchStack } from "../benchStack.ts";
import { benchDir } from "../settings.ts";
import type { Subject } from "./Subject.ts";
import { bearer, shots, slowHeaders } from "./shots.ts";
import { type Peers, startPeer } from "./startPeer.ts";

const dir = join(benchDir, "litellm");
const venv = join(dir, "venv");
const requirements = join(import.meta.dirname, "..", "peers", "litellm", "requirements.txt");

/** Pinned, with the hash of every package, into an environment of the bench's own. Needs Python 3.11. */
const install = (): void => {
  const done = join(venv, "installed");
  if (existsSync(done)) return;
  rmSync(venv, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  execFileSync("python3.11", ["-m", "venv", venv], { stdio: "pipe" });
  execFileSync(
    join(venv, "bin", "pip"),
    [
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--require-hashes",
      "--no-deps",
      "-r",
      requirements,
    ],
    { stdio: "pipe" },
  );
  writeFileSync(done, "");
};

const versionOf = (): string =>
  execFileSync(
    join(venv, "bin", "python"),
    ["-c", "import importlib.metadata as m; print(m.version('litellm'))"],
    { encoding: "utf8" },
  ).trim();

/** LiteLLM keeps a body's metadata for itself, so its slow stream is a model of its own. */
const slowModel = "sim-chat-slow";

/** What it passes calls on to. */
type Upstream = { provider: Pick<BenchStack["provider"], "origin" | "apiKey"> };

/** Dollars a token. */
export const litellmPrices = { input: 1.5e-7, output: 6e-7 };

const modelOf = ({ origin, apiKey }: Upstream["provider"]) => ({
  model: "openai/sim-chat-small",
  api_base: `${origin}/v1`,
  api_key: apiKey,
  input_cost_per_token: litellmPrices.input,
  output_cost_per_token: litellmPrices.output,
});

/** JSON is YAML. The budget is kept in the process, as LiteLLM does without Redis and without its database. */
const configOf = ({ provider }: Upstream, budgetDollars: number | null): string =>
  JSON.stringify({
    model_list: [
      { model_name: "sim-chat-small", litellm_params: modelOf(provider) },
      { model_name: slowModel, litellm_params: { ...modelOf(provider), extra_headers: slowHeaders } },
    ],
    litellm_settings: { telemetry: false },
    ...(budgetDollars === null
      ? {}
      : {
          router_settings: {
            provider_budget_config: { openai: { budget_limit: budgetDollars, time_period: "1d" } },
          },
        }),
  });

/** @param budgetDollars of the one provider, for a day; null without any. */
export const startLitellm =
  (name: "litellm" | "litellm-budget", does: string, budgetDollars: number | null) =>
  async (stack: Upstream, peers: Peers): Promise<Subject> => {
    install();
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const masterKey = `sk-${randomBytes(24).toString("hex")}`;
    const configFile = join(dir, `${name}.yaml`);
    writeFileSync(configFile, configOf(stack, budgetDollars));
    const pid = await startPeer(
      peers,
      {
        name,
        command: join(venv, "bin", "litellm"),
        args: ["--config", configFile, "--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"],
        env: {
          LITELLM_MASTER_KEY: masterKey,
          LITELLM_LOG: "ERROR",
          LITELLM_LOCAL_MODEL_COST_MAP: "True",
          NO_DOCS: "True",
        },
        cwd: dir,
      },
      `${origin}/health/liveliness`,
    );
    return {
      name,
      version: versionOf(),
      does,
      pids: [pid],
      usesPostgres: false,
      target: { kind: "plain", origin, ...shots(bearer(masterKey), slowModel) },
    };
  };

export const startPlainLitellm = startLitellm(
  "litellm",
  "one worker checks one key for all, translates and passes on; plain HTTP, no proof, no budget, no database",
  null,
);
export const startBudgetLitellm = startLitellm(
  "litellm-budget",
  "the same with a provider budget, counted in memory after the call",
  100_000,
);
