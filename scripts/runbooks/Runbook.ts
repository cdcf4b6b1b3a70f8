import type { Stack } from "../stack/Stack.ts";
import type { Traffic } from "./Traffic.ts";

/** What a runbook works on. */
export type Scene = {
  stack: Stack;
  traffic: Traffic;
  /** Runs a block of the document and gives what it printed. It must end with `code` (0) and have printed each of `says`. */
  block: (name: string, expected?: { code?: number; says?: readonly RegExp[] }) => Promise<string>;
  /** Asks again until `problemOf` finds nothing wrong. Errors: an Error with the last problem when time is up. */
  until: (what: string, problemOf: () => Promise<string | null>, timeoutMs?: number) => Promise<void>;
  /** Does something to the stack that is no command of the document, and names it in the table. */
  act: <Result>(what: string, work: () => Promise<Result>) => Promise<Result>;
};

/** One section of docs/RUNBOOKS.md: the trouble is made, its commands are run, and its "Over when" is waited for. */
export type Runbook = { name: string; blocks: readonly string[]; run: (scene: Scene) => Promise<void> };
