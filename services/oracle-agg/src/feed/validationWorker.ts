import { parentPort } from "node:worker_threads";
import { TokenCache } from "../rules/TokenCache.ts";
import type { ValidationTask } from "./ValidationPool.ts";
import { validateAll } from "./validateAll.ts";

/** One thread of a ValidationPool: the same rules as everywhere, with a cache of tokens of its own. */
const tokens = new TokenCache();

parentPort?.on("message", ({ id, ...task }: ValidationTask & { id: number }) => {
  try {
    parentPort?.postMessage({ id, verdicts: validateAll(task, tokens) });
  } catch (error) {
    parentPort?.postMessage({
      id,
      problem: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
});
