import type { Answer } from "./TestCaller.ts";

/** The code in the body of a refusal. */
export function codeOf(text: string): string {
  return (JSON.parse(text) as { error: { code: string } }).error.code;
}

/** "ok", or the code with which it was refused. */
export function outcomeOf({ status, text }: Answer): string {
  return status === 200 ? "ok" : codeOf(text);
}
