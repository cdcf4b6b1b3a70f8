import { setTimeout as sleep } from "node:timers/promises";
import { DeadlineError, isStoreUnavailable, type Logger, withDeadline } from "@tac/kit";
import type { Address, Hex } from "viem";
import type { AdmittedCall } from "./AdmittedCall.ts";

type DeliveredCall = Pick<AdmittedCall, "callId" | "receiptId" | "job">;
type Charging = () => Promise<unknown>;

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
  readonly #callIds = new Set<Hex>();
  readonly #pending = new Map<Address, Set<Promise<void>>>();
  readonly #abandoning = new AbortController();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  has(callId: Hex): boolean {
    return this.#callIds.has(callId);
  }

  count(): number {
    return this.#callIds.size;
  }

  /** Begins a charge in the next turn of the event loop; resolves at once, or when it is made if too many are pending. */
  async defer(call: DeliveredCall, charge: Charging): Promise<void> {
    const { tenant } = call.job.capability;
    const isCrowded = this.count() >= MOST_PENDING;
    const ofTenant = this.#pending.get(tenant) ?? new Set();
    const made = this.#make(call, charge).finally(() => {
      this.#callIds.delete(call.callId);
      ofTenant.delete(made);
      if (ofTenant.size === 0) this.#pending.delete(tenant);
    });
    this.#callIds.add(call.callId);
    this.#pending.set(tenant, ofTenant.add(made));
    if (isCrowded) await made;
  }

  /** The charges of a tenant that are pending now; null when there are none. Waits for at most `limitMs`. */
  ofTenant(tenant: Address, limitMs: number): Promise<void> | null {
    const ofTenant = this.#pending.get(tenant);
    return ofTenant === undefined ? null : within(limitMs, [...ofTenant]);
  }

  /** Waits until all are made, for at most `limitMs`; those that are not are left to recovery. */
  async end(limitMs: number): Promise<void> {
    await within(
      limitMs,
      [...this.#pending.values()].flatMap((ofTenant) => [...ofTenant]),
    );
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
        this.#logger.error({ err: error, receiptId }, "a delivered answer could not be charged yet");
        if (!isStoreUnavailable(error)) return;
      }
      await sleep(pauseMs, undefined, { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
}

async function within(limitMs: number, all: readonly Promise<void>[]): Promise<void> {
  await withDeadline(Promise.all(all), limitMs).catch((error: unknown) => {
    if (!(error instanceof DeadlineError)) throw error;
  });
}
