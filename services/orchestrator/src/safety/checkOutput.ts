import { ProtocolError } from "@tac/protocol";
import type { Policy } from "../policy/Policy.ts";

/** Size of a text inside a JSON body, in UTF-8 bytes: what the gateway will bound the next call by. */
export function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text), "utf8");
}

/** Throws `policy_refused` for an answer that is too large or holds a denied text; says which, never the text. */
export function checkOutput(
  text: string,
  stepId: string,
  policy: Pick<Policy, "maxOutputBytes" | "deniedOutputs">,
): void {
  const size = jsonBytes(text);
  if (size > policy.maxOutputBytes) {
    throw new ProtocolError("policy_refused", {
      detail: `The answer of step ${stepId} has ${size} bytes; at most ${policy.maxOutputBytes} are allowed.`,
      param: stepId,
    });
  }
  const folded = fold(text);
  const rule = policy.deniedOutputs.findIndex((denied) => folded.includes(fold(denied)));
  if (rule === -1) return;
  throw new ProtocolError("policy_refused", {
    detail: `The answer of step ${stepId} breaks rule ${rule + 1} of the deny list.`,
    param: stepId,
  });
}

/** Compatibility forms and letter case are one text, so that neither is a way round the list. */
function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}
