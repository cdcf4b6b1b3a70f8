import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@tac/kit/testing";
import { Pool } from "undici";
import type { Shot } from "../../bench/generator/Target.ts";
import { litellmPrices, startLitellm } from "../../bench/subjects/litellm.ts";
import { shots } from "../../bench/subjects/shots.ts";
import { createPeers, startPeer, stopPeers } from "../../bench/subjects/startPeer.ts";
import { repositoryDir } from "../../stack/layout.ts";
import { startArgs } from "../../stack/startArgs.ts";
import type { PhaseReport } from "./Phase.ts";

const LATENCY_MS = 30_000;
const REQUEST_MS = 240_000;
const API_KEY = "provider-of-the-comparison";

type Usage = { usage: { prompt_tokens: number; completion_tokens: number } };

const post = async (pool: Pool, { path, headers, body }: Shot): Promise<{ status: number; text: string }> => {
  const answer = await pool.request({ method: "POST", path, headers, body });
  return { status: answer.statusCode, text: await answer.body.text() };
};

const poolTo = (origin: string, connections: number): Pool =>
  new Pool(origin, { connections, headersTimeout: REQUEST_MS, bodyTimeout: REQUEST_MS });

/** What one call costs by LiteLLM's own prices, as the provider counts it. */
const costOf = async (origin: string, call: Shot): Promise<number> => {
  const pool = poolTo(origin, 1);
  const headers = { ...call.headers, authorization: `Bearer ${API_KEY}`, "x-sim-latency-ms": "0" };
  const { usage } = JSON.parse((await post(pool, { ...call, headers })).text) as Usage;
  await pool.close();
  return usage.prompt_tokens * litellmPrices.input + usage.completion_tokens * litellmPrices.output;
};

/**
 * The same burst on LiteLLM's provider budget, which it counts in memory after each call: what a budget that does not
 * hold admits. LiteLLM is installed by `make bench`'s own set-up.
 */
export const litellm = async ({
  requests,
  affordable,
}: {
  requests: number;
  affordable: number;
}): Promise<PhaseReport> => {
  const logsDir = join(repositoryDir, ".local", "overspend", "logs");
  mkdirSync(logsDir, { recursive: true });
  const peers = createPeers(logsDir);
  try {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    await startPeer(
      peers,
      {
        name: "provider-of-litellm",
        command: process.execPath,
        args: startArgs("provider-sim"),
        cwd: join(repositoryDir, "services", "provider-sim"),
        env: {
          PORT: String(port),
          API_KEY,
          REPORTS_USAGE: "none",
          UNSAFE_PLAIN_HTTP: "1",
          SIM_LATENCY_MS: String(LATENCY_MS),
        },
      },
      `${origin}/healthz`,
    );
    const call = shots({}).call;
    const budgetDollars = affordable * (await costOf(origin, call));
    const start = startLitellm("litellm-budget", "with a provider budget", budgetDollars);
    const { version, target } = await start({ provider: { origin, apiKey: API_KEY } }, peers);
    if (target.kind !== "plain") throw new Error("LiteLLM is called without proofs.");
    const pool = poolTo(target.origin, requests);
    const startedAt = performance.now();
    const ends = await Promise.all(
      Array.from({ length: requests }, () =>
        post(pool, target.call).then(
          ({ status }) => status,
          () => 0,
        ),
      ),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    await pool.destroy();
    const admitted = ends.filter((status) => status === 200).length;
    return {
      name: `The same burst on the budget of LiteLLM ${version}`,
      figures: [
        ["requests at once", requests],
        ["budget for", affordable],
        ["admitted", admitted],
        ["admitted above the budget", Math.max(0, admitted - affordable)],
        ["times the budget", (admitted / affordable).toFixed(2)],
        ["seconds", seconds.toFixed(1)],
      ],
      jobs: [],
      problems: [],
    };
  } finally {
    await stopPeers(peers);
  }
};
