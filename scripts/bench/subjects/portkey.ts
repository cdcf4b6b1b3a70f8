import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@tac/kit/testing";
import type { BenchStack } from "../benchStack.ts";
import { benchDir } from "../settings.ts";
import type { Subject } from "./Subject.ts";
import { bearer, shots } from "./shots.ts";
import { type Peers, startPeer } from "./startPeer.ts";

const dir = join(benchDir, "portkey");
const pinned = join(import.meta.dirname, "..", "peers", "portkey");
const packageDir = join(dir, "node_modules", "@portkey-ai", "gateway");

/** Pinned, with the hash of every package, by the lockfile beside this folder. */
const install = (): void => {
  if (existsSync(packageDir)) return;
  mkdirSync(dir, { recursive: true });
  cpSync(pinned, dir, { recursive: true });
  execFileSync("npm", ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: dir,
    stdio: "pipe",
  });
};

/** @portkey-ai/gateway as its package starts it. */
export const startPortkey = async (stack: BenchStack, peers: Peers): Promise<Subject> => {
  install();
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const pid = await startPeer(
    peers,
    {
      name: "portkey",
      command: process.execPath,
      args: [join(packageDir, "build", "start-server.js"), `--port=${port}`, "--headless"],
      env: { NODE_ENV: "production", TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" },
      cwd: dir,
    },
    `${origin}/`,
  );
  const { version }: { version: string } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  return {
    name: "portkey",
    version,
    does: "one Node process translates and passes on; plain HTTP, no proof, no budget, no database",
    pids: [pid],
    usesPostgres: false,
    target: {
      kind: "plain",
      origin,
      ...shots({
        ...bearer(stack.provider.apiKey),
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": `${stack.provider.origin}/v1`,
      }),
    },
  };
};
