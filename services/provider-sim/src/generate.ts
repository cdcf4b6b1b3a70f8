import { createHash } from "node:crypto";
import { tokenise } from "./tokens.ts";

const words =
  "the ledger of a job holds what it may spend and every call leaves a receipt that anyone can check against chain".split(
    " ",
  );

const longestQuote = 60;
const shortestAnswer = 12;
const answerSpread = 36;

/** An endless stream of numbers that depends on the seed alone. */
const numbers = function* (seed: string): Generator<number, never> {
  for (let block = 0; ; block += 1) {
    const digest = createHash("sha256").update(`${block}:${seed}`).digest();
    for (let offset = 0; offset < digest.length; offset += 4) yield digest.readUInt32BE(offset);
  }
};

export type Answer = { tokens: string[]; finishReason: "stop" | "length" };

/**
 * The answer to a prompt, as tokens: always the same for the same prompt and choice. It is cut at `maxTokens`.
 */
export const generate = (
  prompt: string,
  { choice, length, maxTokens }: { choice: number; length: number | undefined; maxTokens: number },
): Answer => {
  const source = numbers(`${choice}:${prompt}`);
  const wanted = length ?? shortestAnswer + (source.next().value % answerSpread);
  const quoted = prompt.length > longestQuote ? `${prompt.slice(0, longestQuote)}...` : prompt;
  const needed = Math.min(wanted, maxTokens);
  const opening = tokenise(`Simulated answer to "${quoted}":`);
  const tokens = opening.slice(0, needed);
  while (tokens.length < needed) {
    const word = words[source.next().value % words.length] ?? "";
    tokens.push(...tokenise(` ${word}`).slice(0, needed - tokens.length));
  }
  return { tokens, finishReason: wanted > maxTokens ? "length" : "stop" };
};

/** A unit vector that depends on the text alone; shorter dimensions are not a prefix of longer ones. */
export const embed = (text: string, dimensions: number): number[] => {
  const source = numbers(`${dimensions}:${text}`);
  const raw = Array.from({ length: dimensions }, () => source.next().value / 2 ** 31 - 1);
  const norm = Math.hypot(...raw);
  return norm === 0 ? raw.map((_, index) => (index === 0 ? 1 : 0)) : raw.map((value) => value / norm);
};
