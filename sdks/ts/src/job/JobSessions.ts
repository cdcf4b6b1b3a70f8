import { Capability, Nano, ProtocolError, Quote, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import { callJson, integer } from "../call/callJson.ts";
import type { GatewayCaller, Prover } from "../call/createGatewayCaller.ts";
import type { HolderKeyring } from "./HolderKeyring.ts";
import type { Job, JobOwner, LockReference } from "./Job.ts";

type LockTerms = { owner?: JobOwner; signal?: AbortSignal };

/** The Usage-Auth tokens of this process, and what it knows of each job's spending. */
export type JobSessions = {
  /**
   * Asks the gateway for the lock and a token. Idempotent: a job already locked only gets a fresh token. Throws
   * `job_closed`, `capability_revoked` or `capability_expired` for a job that can only be looked at any more.
   * `owner` counts when the lock is made; a repetition may leave it out, but not name another one.
   */
  lock(job: Job, terms?: LockTerms): Promise<LockReference>;
  /** Proves calls of the job; renews the token in time, or when the gateway refused it. */
  prover(job: Job, maxCostNano?: bigint): Prover;
  /** What the job can still spend, as far as this process knows; never less than the truth. */
  remainingNano(job: Job): bigint;
  addSpent(job: Job, costNano: bigint): void;
};

type Session = {
  usageAuth: string;
  renewAtMs: number;
  lockedNano: bigint;
  spentNano: bigint;
};

const lockAnswer = z.object({
  jobId: Wire.bytes32,
  capabilityHash: Wire.bytes32,
  transactionHash: Wire.bytes32,
  blockNumber: integer,
  usageAuth: Wire.token,
  /** Unix seconds. */
  usageAuthExpiresAt: integer,
  lockedNano: Nano.schema,
  spentNano: Nano.schema,
  /** Why the token can only read; null or absent while the job can be spent. */
  endedBy: z.enum(["job_closed", "capability_revoked", "capability_expired"]).nullish(),
});

/** A token is renewed when less than this part of its life is left. */
const RENEW_AT_PART_LEFT = 0.2;

/** A forgotten session costs one more request, for a token that the gateway gives anew. */
const KEPT_SESSIONS = 10_000;

export function createJobSessions(
  callGateway: GatewayCaller,
  keyring: HolderKeyring,
  keptSessions = KEPT_SESSIONS,
): JobSessions {
  const sessions = new Map<Hex, Session>();
  const renewals = new Map<Hex, Promise<Session>>();

  async function requestLock(job: Job, { owner, signal }: LockTerms = {}) {
    const { privateKey } = keyring.find(job.capability.holder);
    const answer = await callJson(
      callGateway,
      {
        method: "POST",
        path: "/v1/jobs/lock",
        json: {
          signedQuote: Quote.signedToJson(job.signedQuote),
          capability: Capability.toJson(job.capability),
          capabilitySignature: job.capabilitySignature,
          jwk: job.jwk,
          ...(owner === undefined ? {} : { owner }),
        },
        prover: { privateKey },
        signal,
      },
      lockAnswer,
    );
    if (answer.jobId !== job.jobId || answer.capabilityHash !== job.capabilityHash) {
      throw new ProtocolError("wrong_job", { detail: "The gateway locked another capability." });
    }
    const nowMs = Date.now();
    const lifetimeMs = Math.max(0, Number(answer.usageAuthExpiresAt) * 1000 - nowMs);
    const session: Session = {
      usageAuth: answer.usageAuth,
      renewAtMs: nowMs + lifetimeMs * (1 - RENEW_AT_PART_LEFT),
      lockedNano: answer.lockedNano,
      spentNano: answer.spentNano,
    };
    // The newest stands last: who opens job after job forgets the oldest, and does not grow.
    sessions.delete(job.jobId);
    sessions.set(job.jobId, session);
    const [oldest] = sessions.keys();
    if (sessions.size > keptSessions && oldest !== undefined) sessions.delete(oldest);
    const { transactionHash, blockNumber, endedBy } = answer;
    return { session, endedBy, lock: { transactionHash, blockNumber } };
  }

  /** Concurrent calls share one renewal, which therefore obeys no single caller's signal. */
  function renew(job: Job): Promise<Session> {
    const running = renewals.get(job.jobId);
    if (running) return running;
    const renewal = requestLock(job)
      .then(({ session }) => session)
      .finally(() => renewals.delete(job.jobId));
    renewals.set(job.jobId, renewal);
    return renewal;
  }

  return {
    async lock(job, terms) {
      const { lock, endedBy } = await requestLock(job, terms);
      if (endedBy) throw new ProtocolError(endedBy);
      return lock;
    },
    prover(job, maxCostNano) {
      const { privateKey } = keyring.find(job.capability.holder);
      return {
        privateKey,
        ...(maxCostNano === undefined ? {} : { maxCostNano }),
        async usageAuth(refused) {
          const session = sessions.get(job.jobId);
          const isGood = session && session.usageAuth !== refused && Date.now() < session.renewAtMs;
          const good = isGood ? session : await renew(job);
          return good.usageAuth;
        },
      };
    },
    remainingNano(job) {
      const session = sessions.get(job.jobId);
      if (!session) return job.capability.maxSpendNano;
      return session.lockedNano > session.spentNano ? session.lockedNano - session.spentNano : 0n;
    },
    addSpent(job, costNano) {
      const session = sessions.get(job.jobId);
      if (session) session.spentNano += costNano;
    },
  };
}
