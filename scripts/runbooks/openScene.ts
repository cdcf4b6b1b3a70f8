import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "../stack/Stack.ts";
import { type Block, mask, runBlock, secretsOf } from "./blocks.ts";
import type { Scene } from "./Runbook.ts";
import type { Traffic } from "./Traffic.ts";

/** A line of the table: a block of the document, something that was waited for, or something done to the stack. */
export type Row = {
  kind: keyof typeof goodEnds;
  name: string;
  tookMs: number;
  outcome: string;
  isGood: boolean;
};

const goodEnds = { block: "as written", until: "is so", act: "done" };

export type SceneOptions = {
  stack: Stack;
  traffic: Traffic;
  blocks: readonly Block[];
  /** What the document's `setup` reads. */
  env: Record<string, string>;
  onRow: (row: Row) => void;
  /** Hears what blocks print, without secrets. */
  onText: (text: string) => void;
};

const LAST_LINES = 12;

/** A scene whose every step is timed and told; a step that fails is told, and then throws. */
export const openScene = ({ stack, traffic, blocks, env, onRow, onText }: SceneOptions): Scene => {
  const blockOf = (name: string): Block => {
    const block = blocks.find((one) => one.name === name);
    if (block === undefined) throw new Error(`The document has no block ${name}.`);
    return block;
  };
  const timed = async <Result>(
    kind: Row["kind"],
    name: string,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    const startedAt = Date.now();
    const tell = (outcome: string, isGood: boolean): void =>
      onRow({ kind, name, tookMs: Date.now() - startedAt, outcome, isGood });
    try {
      const result = await work();
      tell(goodEnds[kind], true);
      return result;
    } catch (error) {
      tell("failed", false);
      throw error;
    }
  };
  return {
    stack,
    traffic,
    act: (what, work) => timed("act", what, work),
    block: (name, { code: expected = 0, says = [] } = {}) =>
      timed("block", name, async () => {
        const ended = await runBlock(blockOf("setup"), blockOf(name), env);
        const text = mask(ended.text, secretsOf(stack.layout));
        onText(`##### ${name}, ${ended.tookMs} ms, ended with ${ended.code}\n${text}\n`);
        const end = text.trimEnd().split("\n").slice(-LAST_LINES).join("\n");
        if (ended.code !== expected)
          throw new Error(`${name} ended with ${ended.code}, not ${expected}:\n${end}`);
        if (text !== ended.text) throw new Error(`${name} printed a secret`);
        const missing = says.find((pattern) => !pattern.test(text));
        if (missing !== undefined) throw new Error(`${name} did not say ${missing}:\n${end}`);
        return text;
      }),
    until: (what, problemOf, timeoutMs = 120_000) =>
      timed("until", what, async () => {
        const deadline = Date.now() + timeoutMs;
        for (;;) {
          // A replica that starts again does not answer for a moment.
          const problem = await problemOf().catch((error: Error) => error.message);
          if (problem === null) return;
          if (Date.now() > deadline) throw new Error(`not within ${timeoutMs / 1_000} s: ${problem}`);
          await sleep(500);
        }
      }),
  };
};
