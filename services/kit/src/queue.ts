import { ProtocolError } from "@tac/protocol";
import {
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  type IQueueBackend,
  type Job,
  UnrecoverableError,
  withBackend,
} from "bullmq";
import { z } from "zod";
import { withDeadline } from "./withDeadline.ts";

export type AddOptions = {
  /** The same id is added once only, until the job has ended and been swept. No colon. */
  jobId?: string;
  delayMs?: number;
  /** Attempts in all, with exponential back-off from `backoffMs`. */
  attempts?: number;
  backoffMs?: number;
};

/** A queue of JSON payloads; a `bigint` travels as digits. */
export type JobQueue<Payload> = {
  add: (payload: Payload, how?: AddOptions) => Promise<string>;
  addMany: (entries: readonly { payload: Payload; how?: AddOptions }[]) => Promise<void>;
  /** Adds the payload every so many milliseconds, whatever the number of replicas that ask for it. */
  schedule: (scheduleId: string, everyMs: number, payload: Payload) => Promise<void>;
  /** Jobs that wait, are delayed or run. */
  depth: () => Promise<number>;
  failedCount: () => Promise<number>;
};

export type QueuedJob<Payload> = { id: string; payload: Payload; attempt: number };

export type Queues = {
  backend: "postgres" | "redis";
  queue: <Payload>(name: string) => JobQueue<Payload>;
  /**
   * Runs `handler` for each job. A payload that `schema` refuses, and a ProtocolError that is not retryable, fail
   * at once; any other error is retried as the job was added for.
   */
  worker: <Schema extends z.ZodType>(
    name: string,
    schema: Schema,
    handler: (job: QueuedJob<z.output<Schema>>) => Promise<unknown>,
    limits?: { concurrency?: number },
  ) => { close: () => Promise<void> };
  /** Lets running jobs end, for six seconds, then closes every worker and queue made here, also when the store is gone. */
  close: () => Promise<void>;
};

const deadlineMs = 8_000;
const reconnectMs = 500;
/** How long running jobs may go on once closing has begun, and then how long leaving may take. */
const runningMs = 6_000;
const goodbyeMs = 1_000;
const keepEnded = { count: 1_000, age: 3_600 };

/**
 * BullMQ on PostgreSQL (its tables in the schema `bullmq`, made on first use), or on Redis when `redisUrl` is given.
 * Errors of connections and of failed jobs go to `onError`.
 */
export const createQueues = ({
  databaseUrl,
  redisUrl,
  onError,
}: {
  databaseUrl: string;
  redisUrl?: string | undefined;
  onError: (error: Error, queueName: string) => void;
}): Queues =>
  redisUrl === undefined
    ? build({
        backend: "postgres",
        factory: createPostgresBackend,
        connection: { connectionString: databaseUrl, schema: "bullmq", migrate: true, max: 4 },
        onError,
      })
    : onRedis(redisUrl, onError);

const onRedis = (redisUrl: string, onError: (error: Error, queueName: string) => void): Queues => {
  let isClosed = false;
  const connection = {
    url: redisUrl,
    maxRetriesPerRequest: null,
    retryStrategy: () => (isClosed ? null : reconnectMs),
  };
  const queues = build({
    backend: "redis",
    factory: createRedisBackend,
    connection,
    // Whoever adds or asks is told at once that Redis is gone; workers wait for it.
    askingConnection: { ...connection, enableOfflineQueue: false },
    onError,
  });
  return {
    ...queues,
    close: () => {
      isClosed = true;
      return queues.close();
    },
  };
};

const build = <Backend extends IQueueBackend, Connection>({
  backend,
  factory,
  connection,
  askingConnection = connection,
  onError,
}: {
  backend: Queues["backend"];
  factory: BackendFactory<Backend, Connection>;
  connection: Connection;
  askingConnection?: Connection;
  onError: (error: Error, queueName: string) => void;
}): Queues => {
  const { Queue, Worker } = withBackend(factory);
  const openQueues = new Map<string, InstanceType<typeof Queue<unknown>>>();
  const openWorkers = new Map<{ close: () => Promise<void> }, string>();

  const open = (name: string): InstanceType<typeof Queue<unknown>> => {
    const existing = openQueues.get(name);
    if (existing !== undefined) return existing;
    const queue = new Queue<unknown>(name, { connection: askingConnection });
    queue.on("error", (error) => onError(error, name));
    openQueues.set(name, queue);
    return queue;
  };

  return {
    backend,
    queue: (name) => {
      const queue = open(name);
      return {
        add: async (payload, how = {}) => {
          const job = await inTime(queue.add(name, payload, optionsOf(how)));
          if (job.id === undefined) throw new Error(`The queue ${name} gave a job no id`);
          return job.id;
        },
        addMany: async (entries) => {
          const jobs = entries.map(({ payload, how = {} }) => ({
            name,
            data: payload,
            opts: optionsOf(how),
          }));
          await inTime(queue.addBulk(jobs));
        },
        schedule: async (scheduleId, everyMs, payload) => {
          const template = { name, data: payload, opts: optionsOf({}) };
          await inTime(queue.upsertJobScheduler(scheduleId, { every: everyMs }, template));
        },
        depth: () => inTime(queue.getJobCountByTypes("waiting", "delayed", "active", "prioritized")),
        failedCount: () => inTime(queue.getJobCountByTypes("failed")),
      };
    },
    worker: (name, schema, handler, { concurrency = 1 } = {}) => {
      const worker = new Worker<unknown>(name, (job: Job<unknown>) => handle(job, schema, handler), {
        connection,
        concurrency,
      });
      worker.on("error", (error) => onError(error, name));
      worker.on("failed", (_job, error) => onError(error, name));
      openWorkers.set(worker, name);
      return { close: () => worker.close() };
    },
    close: async () => {
      // A store that is gone keeps some connections from ever closing; a service that ends has others to close.
      const within = (closing: Promise<void>, milliseconds: number, name: string): Promise<void> =>
        withDeadline(closing, milliseconds).catch((error: unknown) => onError(toError(error), name));
      await Promise.all([...openWorkers].map(([worker, name]) => within(worker.close(), runningMs, name)));
      await Promise.all([...openQueues].map(([name, queue]) => within(queue.close(), goodbyeMs, name)));
    },
  };
};

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** A store that is silent must hold up neither a sweep, nor a scrape, nor a service that closes. */
const inTime = <Result>(asking: Promise<Result>): Promise<Result> => withDeadline(asking, deadlineMs);

const optionsOf = ({ jobId, delayMs, attempts = 5, backoffMs = 500 }: AddOptions) => ({
  attempts,
  backoff: { type: "exponential", delay: backoffMs },
  removeOnComplete: keepEnded,
  removeOnFail: keepEnded,
  ...(jobId === undefined ? {} : { jobId }),
  ...(delayMs === undefined ? {} : { delay: delayMs }),
});

const handle = async <Schema extends z.ZodType>(
  job: Job<unknown>,
  schema: Schema,
  handler: (job: QueuedJob<z.output<Schema>>) => Promise<unknown>,
): Promise<void> => {
  const result = schema.safeParse(job.data);
  if (!result.success)
    throw new UnrecoverableError(`The payload is malformed: ${z.prettifyError(result.error)}`);
  try {
    await handler({ id: job.id ?? "", payload: result.data, attempt: job.attemptsMade + 1 });
  } catch (error) {
    if (error instanceof ProtocolError && !error.retryable) {
      throw new UnrecoverableError(`${error.code}: ${error.message}`);
    }
    throw error;
  }
};
