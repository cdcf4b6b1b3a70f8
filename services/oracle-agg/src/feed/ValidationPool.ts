import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Deployment, FeedEvent, Tariff } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { Job } from "../rules/Job.ts";
import { TokenCache } from "../rules/TokenCache.ts";
import type { Validated } from "../rules/validateEvent.ts";
import { validateAll } from "./validateAll.ts";

/** Events of one gateway, none of which opens a job, with all that their validation needs. */
export type ValidationTask = {
  events: readonly FeedEvent.FeedEvent[];
  /** By job id, as the gateway's feed had opened them before the first of these events. */
  jobs: ReadonlyMap<Hex, Job>;
  tariffs: ReadonlyMap<Hex, Tariff.Tariff>;
  domains: Deployment.Domains;
  tariffSigners: ReadonlySet<Address>;
  origins: ReadonlySet<string> | null;
};

export type ValidationPool = {
  /** The verdict on each event, in their order. */
  validate(task: ValidationTask): Promise<Validated[]>;
  close(): Promise<void>;
};

type Answer = { id: number } & ({ verdicts: Validated[] } | { problem: string });
type Waiting = { resolve: (verdicts: Validated[]) => void; reject: (error: Error) => void };

/** Below this, sending events to a thread costs more than it saves. */
const LEAST_SHARE = 32;

/**
 * Validates on several threads, this one included: signatures are three quarters of the work, and each event stands for
 * itself. With no threads everything is done here. A thread that dies fails its task, which is tried again.
 */
export const createValidationPool = (threads = availableParallelism() - 1): ValidationPool => {
  const tokens = new TokenCache();
  const members = Array.from({ length: Math.max(0, threads) }, () => startMember());
  const validate = async (task: ValidationTask): Promise<Validated[]> => {
    const { events } = task;
    const parts = Math.max(1, Math.min(members.length + 1, Math.floor(events.length / LEAST_SHARE)));
    const size = Math.ceil(events.length / parts);
    const shareOf = (part: number): ValidationTask => ({
      ...task,
      events: events.slice(part * size, (part + 1) * size),
    });
    const elsewhere = members.slice(0, parts - 1).map((member, index) => member.validate(shareOf(index + 1)));
    // Should this thread's own share throw, the other shares must not be left without anybody who waits for them.
    const others = Promise.all(elsewhere);
    others.catch(() => undefined);
    const own = validateAll(shareOf(0), tokens);
    return [...own, ...(await others).flat()];
  };
  return {
    validate,
    close: async () => {
      await Promise.all(members.map((member) => member.close()));
    },
  };
};

const startMember = () => {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let count = 0;
  const fail = (error: Error): void => {
    worker = null;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = (): Worker => {
    const started = new Worker(new URL("./validationThread.mjs", import.meta.url));
    started.unref();
    started.on("message", (answer: Answer) => {
      const caller = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ("verdicts" in answer) caller?.resolve(answer.verdicts);
      else caller?.reject(new Error(answer.problem));
    });
    started.on("error", (cause) => fail(new Error("A validation thread failed.", { cause })));
    started.on("exit", (code) => fail(new Error(`A validation thread ended with ${code}.`)));
    return started;
  };
  return {
    validate: (task: ValidationTask): Promise<Validated[]> =>
      new Promise((resolve, reject) => {
        worker ??= start();
        count += 1;
        waiting.set(count, { resolve, reject });
        worker.postMessage({ id: count, ...task });
      }),
    close: async (): Promise<void> => {
      await worker?.terminate();
    },
  };
};
