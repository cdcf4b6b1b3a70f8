import { Errors } from "@tac/protocol";
import type { Hex } from "viem";
import type { Revocation } from "../chain/ChainPort.ts";
import type { AdmittedCall } from "./AdmittedCall.ts";
import { Roster } from "./Roster.ts";

type RunningCall = Pick<AdmittedCall, "callId" | "job">;
/** Ends the exchange with the provider early; the reason is what the caller hears. */
type BreakOff = (reason: Error) => void;

/** Calls this process is working on; recovery leaves them alone. */
export class RunningCalls {
  readonly #calls = new Roster<{ call: RunningCall; breakOff: BreakOff }>();

  /** Returns what to call when the call has ended. */
  add(call: RunningCall, breakOff: BreakOff): () => void {
    return this.#calls.add({ call, breakOff });
  }

  ids(): Hex[] {
    return [...this.#calls].map(({ call }) => call.callId);
  }

  count(): number {
    return this.#calls.size;
  }

  /** Ends all exchanges with providers: what was delivered is charged, the rest given back. */
  breakOffAll(): void {
    for (const { breakOff } of this.#calls) breakOff(tookTooLong());
  }

  /**
   * The same for calls whose capability the chain has revoked: they are paid, having begun before, but whoever revokes
   * there means to spend no more.
   */
  breakOffRevoked({ tenant, jobId, revokedAtSeconds }: Revocation): void {
    for (const { call, breakOff } of this.#calls) {
      const { capability } = call.job;
      const isOfAll = jobId === null && capability.validAfter <= BigInt(revokedAtSeconds);
      if (capability.tenant === tenant && (isOfAll || capability.jobId === jobId)) {
        breakOff(Errors.fromCode("capability_revoked", { detail: "The capability was revoked meanwhile." }));
      }
    }
  }
}

export function tookTooLong(): Error {
  return new DOMException("The call took too long", "TimeoutError");
}
