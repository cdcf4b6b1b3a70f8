import { EventEmitter } from "node:events";

/**
 * What ends a call early: without a reason its caller hung up, else the reason is what the caller hears. It does what an
 * AbortController and its signal do, and undici takes it for one. In Node 20 a signal, and whatever it refers to, survives
 * every collection of young objects: with one per call, each call made work for the collector of old ones.
 */
export class Interruption extends EventEmitter<{ abort: [] }> {
  #reason: Error | undefined;
  #isAborted = false;

  /** Named as an AbortSignal names it. */
  get aborted(): boolean {
    return this.#isAborted;
  }

  get reason(): Error | undefined {
    return this.#reason;
  }

  get isHangUp(): boolean {
    return this.#isAborted && this.#reason === undefined;
  }

  /** Only the first one counts. */
  abort(reason?: Error): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    this.emit("abort");
  }
}
