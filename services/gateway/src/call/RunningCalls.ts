import type { Hex } from "viem";

/** Calls this process is working on; recovery leaves them alone. */
export class RunningCalls {
  readonly #callIds = new Set<Hex>();

  /** Returns what to call, once, when the call has ended. */
  add(callId: Hex): () => void {
    this.#callIds.add(callId);
    return () => {
      this.#callIds.delete(callId);
    };
  }

  has(callId: Hex): boolean {
    return this.#callIds.has(callId);
  }

  count(): number {
    return this.#callIds.size;
  }
}
