import type { Hex } from "viem";

/** Calls this process is working on; recovery leaves them alone. */
export class RunningCalls {
  readonly #calls = new Map<Hex, () => void>();

  /** `breakOff` ends the exchange with the provider early. Returns what to call when the call has ended. */
  add(callId: Hex, breakOff: () => void): () => void {
    this.#calls.set(callId, breakOff);
    return () => {
      this.#calls.delete(callId);
    };
  }

  has(callId: Hex): boolean {
    return this.#calls.has(callId);
  }

  count(): number {
    return this.#calls.size;
  }

  /** Ends all exchanges with providers: what was delivered is charged, the rest given back. */
  breakOffAll(): void {
    for (const breakOff of this.#calls.values()) breakOff();
  }
}
