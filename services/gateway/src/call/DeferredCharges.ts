import { setTimeout as sleep } from "node:timers/promises";
import { DeadlineError, isStoreUnavailable, type Logger, withDeadline } from "@tac/kit";
import type { Address, Hex } from "viem";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { Roster } from "./Roster.ts";

type DeliveredCall = Pick<AdmittedCall, "callId" | "receiptId" | "job">;
type Charging = () => Promise<unknown>;
type PendingCharge = { call: DeliveredCall; made: Promise<void> };

/**
 * Longest that anyone waits for the charge that follows an answer: who asks for its receipt, for its job, or for what it
 * left of its hold. A store that takes longer for a charge takes no hold either.
 */
export const CHARGE_WAIT_MS = 1_000;

/** More than any replica has in flight with a healthy store; from here on an answer waits for its charge. */
const MOST_PENDING = 1_024;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Charges of answers that are on their way to their callers. The hold covers each of them until it is committed, so nobody
 * waits for that: a charge begins when the answer has been handed to the connection, is tried until the store takes it,
 * and is one that recovery makes or gives back if this process ends before.
 */
export class DeferredCharges {
  readonly #logger: Logger;
  readonly #pending = new Roster<PendingCharge>();
  readonly #abandoning = new AbortController();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  ids(): Hex[] {
    return [...this.#pending].map(({ call }) => call.callId);
  }

  count(): number {
    return this.#pending.size;
  }

  /** Begins a charge in the next turn of the event loop; resolves at once, or when it is made if too many are pending. */
  async defer(call: DeliveredCall, charge: Charging): Promise<void> {
    const isCrowded = this.count() >= MOST_PENDING;
    const made = this.#make(call, charge).finally(() => leave());
    const leave = this.#pending.add({ call, made });
    if (isCrowded) await made;
  }

  /** Waits for the charges of a tenant that are pending now, but not for long; null when there are none. */
  ofTenant(tenant: Address): Promise<void> | null {
    const all = [...this.#pending].filter(({ call }) => call.job.capability.tenant === tenant);
    return all.length === 0 ? null : allMade(all);
  }

  /** Waits until all are made, but not for long; those that are not are left to recovery. */
  async end(): Promise<void> {
    await allMade([...this.#pending]);
    this.#abandoning.abort();
  }

  /** Any failure but the store's own is final: recovery ends the call by its state, as it does after a crash. */
  async #make({ receiptId }: DeliveredCall, charge: Charging): Promise<void> {
    const { signal } = this.#abandoning;
    await new Promise(setImmediate);
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        await charge();
        return;
      } catch (error) {
        const isFinal = !isStoreUnavailable(error);
        this.#logger.error({ err: error, receiptId, isFinal }, "a delivered answer could not be charged");
        if (isFinal) return;
      }
      await sleep(pauseMs, undefined, { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
}

async function allMade(charges: readonly PendingCharge[]): Promise<void> {
  const all = Promise.all(charges.map(({ made }) => made));
  await withDeadline(all, CHARGE_WAIT_MS).catch((error: unknown) => {
    if (!(error instanceof DeadlineError)) throw error;
  });
}
