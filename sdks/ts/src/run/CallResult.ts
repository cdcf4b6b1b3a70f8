import { ProtocolError } from "@tac/protocol";
import type { Hex } from "viem";
import type { StepResults } from "./StepInput.ts";

type Charged = {
  receiptId: Hex;
  /** What the call cost. */
  costNano: bigint;
};

/** `body` is the provider's answer as it came; null when it was streamed. */
export type CallResult = Charged &
  (
    | { kind: "chat"; text: string; finishReason: string | null; body: unknown }
    | { kind: "embeddings"; embeddings: number[][]; body: unknown }
    | { kind: "http"; body: unknown }
  );

/** The text of a chat step; several calls are joined by line breaks. Throws when the step is none or not done. */
export function textOf(results: StepResults, stepId: string): string {
  const texts = callsOf(results, stepId).map((call) => (call.kind === "chat" ? call.text : undefined));
  if (texts.includes(undefined)) throw wrongStep(stepId, "is not a chat step");
  return texts.join("\n");
}

/** The vectors of an embeddings step, in the order of its inputs. Throws when the step is none or not done. */
export function embeddingsOf(results: StepResults, stepId: string): number[][] {
  return callsOf(results, stepId).flatMap((call) => {
    if (call.kind !== "embeddings") throw wrongStep(stepId, "is not an embeddings step");
    return call.embeddings;
  });
}

function callsOf(results: StepResults, stepId: string) {
  const calls = Object.hasOwn(results, stepId) ? results[stepId] : undefined;
  if (!calls) throw wrongStep(stepId, "has not run");
  return calls;
}

function wrongStep(stepId: string, reason: string): ProtocolError {
  return new ProtocolError("invalid_request", { detail: `Step ${stepId} ${reason}.`, param: stepId });
}
