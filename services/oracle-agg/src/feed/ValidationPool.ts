import { availableParallelism } from "node:os";
import { setImmediate as otherWork } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Tariff } from "@tac/protocol";
import type { Job } from "../rules/Job.ts";
import { TokenCache } from "../rules/TokenCache.ts";
import { type Examined, examine, type Grounds } from "./examine.ts";

/** The texts of one gateway's events, with all that their validation needs. */
export type ValidationTask = Grounds & { texts: readonly string[] };

export type ValidationPool = {
  /** Each event with its verdict, in their order. Throws `invalid_request` for what is no event. */
  validate(task: ValidationTask): Promise<Examined[]>;
  close(): Promise<void>;
};

/** What a thread is told. Jobs and tariffs are told once: a job goes by a number, a tariff by its hash. */
export type ThreadTask = {
  id: number;
  texts: readonly string[];
  /** Numbers of the jobs these events are judged by; no other job that the thread has heard of counts. */
  jobs: readonly number[];
  newJobs: readonly (readonly [number, Job])[];
  newTariffs: readonly (readonly [string, Tariff.Tariff])[];
  /** True: forget what was told before, so that a long life does not fill the thread's memory. */
  isFresh: boolean;
} & Pick<Grounds, "domains" | "tariffSigners" | "origins">;

export type ThreadAnswer = { id: number } & ({ examined: Examined[] } | { problem: string });

/** Events a thread takes at once: enough to be worth a message, few enough that all threads end together. */
const CHUNK_EVENTS = 64;
/** Chunks a thread has before it, so that it does not wait while this one is busy. */
const CHUNKS_AHEAD = 2;
const MAX_TOLD = 20_000;

/**
 * Validates on several threads, this one included: each event stands for itself, and signatures are most of the work. This
 * one serves everybody else between two chunks. A thread that dies fails its tasks, which are tried again.
 */
export const createValidationPool = (threads = availableParallelism() - 1): ValidationPool => {
  const tokens = new TokenCache();
  const members = Array.from({ length: Math.max(0, threads) }, () => startMember());
  const here = async (task: ValidationTask): Promise<Examined[]> => {
    await otherWork();
    return task.texts.map((text) => examine(detached(text), task, tokens));
  };
  const validate = async (task: ValidationTask): Promise<Examined[]> => {
    const { texts } = task;
    const done: Examined[][] = [];
    let taken = 0;
    const work = async (judge: (share: ValidationTask) => Promise<Examined[]>): Promise<void> => {
      try {
        while (taken * CHUNK_EVENTS < texts.length) {
          const chunk = taken;
          taken += 1;
          const first = chunk * CHUNK_EVENTS;
          done[chunk] = await judge({ ...task, texts: texts.slice(first, first + CHUNK_EVENTS) });
        }
      } catch (error) {
        taken = texts.length;
        throw error;
      }
    };
    const elsewhere = members.flatMap((member) =>
      Array.from({ length: CHUNKS_AHEAD }, () => member.validate),
    );
    await Promise.all([here, ...elsewhere].map(work));
    return done.flat();
  };
  return {
    validate,
    close: async () => {
      await Promise.all(members.map((member) => member.close()));
    },
  };
};

/** A copy: a part of a page, kept in some cache, would keep the whole page. */
const detached = (text: string): string => Buffer.from(text).toString();

type Waiting = { resolve: (examined: Examined[]) => void; reject: (error: Error) => void };

const startMember = () => {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let told = new Map<object, number>();
  let count = 0;
  const fail = (error: Error): void => {
    worker = null;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = (): Worker => {
    const started = new Worker(new URL("./validationThread.mjs", import.meta.url));
    told = new Map();
    started.unref();
    started.on("message", (answer: ThreadAnswer) => {
      const caller = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ("examined" in answer) caller?.resolve(answer.examined);
      else caller?.reject(new Error(answer.problem));
    });
    started.on("error", (cause) => fail(new Error("A validation thread failed.", { cause })));
    started.on("exit", (code) => fail(new Error(`A validation thread ended with ${code}.`)));
    return started;
  };
  /** Those that the thread has not heard of; from now on it has. */
  const news = <Known extends object>(all: Iterable<Known>): Known[] => {
    const unknown = [...all].filter((known) => !told.has(known));
    for (const known of unknown) told.set(known, told.size);
    return unknown;
  };
  const numberOf = (known: object): number => told.get(known) ?? -1;
  return {
    validate: ({ jobs, tariffs, ...task }: ValidationTask): Promise<Examined[]> =>
      new Promise((resolve, reject) => {
        worker ??= start();
        count += 1;
        waiting.set(count, { resolve, reject });
        const isFresh = told.size > MAX_TOLD;
        if (isFresh) told = new Map();
        const newJobs = news(jobs.values());
        const newTariffs = new Set(news(tariffs.values()));
        const asked: ThreadTask = {
          ...task,
          id: count,
          jobs: [...jobs.values()].map(numberOf),
          newJobs: newJobs.map((job) => [numberOf(job), job]),
          newTariffs: [...tariffs].filter(([, tariff]) => newTariffs.has(tariff)),
          isFresh,
        };
        worker.postMessage(asked);
      }),
    close: async (): Promise<void> => {
      await worker?.terminate();
    },
  };
};
