import { parentPort } from "node:worker_threads";
import type { Tariff } from "@tac/protocol";
import type { Job } from "../rules/Job.ts";
import { TokenCache } from "../rules/TokenCache.ts";
import { examine } from "./examine.ts";
import type { ThreadAnswer, ThreadTask } from "./ValidationPool.ts";

/** One thread of a ValidationPool: the same rules as everywhere, with a cache of tokens of its own. */
const tokens = new TokenCache();
const known = new Map<number, Job>();
const tariffs = new Map<string, Tariff.Tariff>();

const jobOf = (number: number): Job => {
  const job = known.get(number);
  if (job === undefined) throw new Error(`The thread was never told of job ${number}.`);
  return job;
};

const answer = (task: ThreadTask): ThreadAnswer => {
  const { id, texts, domains, tariffSigners, origins } = task;
  if (task.isFresh) for (const kept of [known, tariffs]) kept.clear();
  for (const [number, job] of task.newJobs) known.set(number, job);
  for (const [hash, tariff] of task.newTariffs) tariffs.set(hash, tariff);
  try {
    const jobs = new Map(task.jobs.map(jobOf).map((job) => [job.jobId, job]));
    const grounds = { jobs, tariffs, domains, tariffSigners, origins };
    return { id, examined: texts.map((text) => examine(text, grounds, tokens)) };
  } catch (error) {
    return { id, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
};

parentPort?.on("message", (task: ThreadTask) => parentPort?.postMessage(answer(task)));
