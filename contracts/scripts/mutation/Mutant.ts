import { createHash } from "node:crypto";
import type { Span } from "./AstNode.ts";

/** One edit of a source file. */
export type Mutation = Span & { operator: string; replacement: string };

export type Mutant = Mutation & {
  /** Stands for the edit and the whole file it is made in: a changed file has new mutants. */
  id: string;
  /** Relative to the project's root. */
  file: string;
  line: number;
  before: string;
  after: string;
};

export const apply = (source: Buffer, mutation: Mutation): Buffer =>
  Buffer.concat([
    source.subarray(0, mutation.start),
    Buffer.from(mutation.replacement),
    source.subarray(mutation.end),
  ]);

/** The lines an edit touches, each trimmed, as one line of text. */
const excerpt = (source: Buffer, start: number, end: number): string => {
  const from = source.lastIndexOf(10, Math.max(0, start - 1)) + 1;
  const newline = source.indexOf(10, Math.max(end - 1, start));
  const lines = source.subarray(from, newline === -1 ? source.length : newline).toString();
  return lines
    .split("\n")
    .map((part) => part.trim())
    .join(" ");
};

export const describe = (file: string, source: Buffer, mutation: Mutation): Mutant => {
  const mutated = apply(source, mutation);
  const id = createHash("sha256")
    .update(file)
    .update(source)
    .update(`${mutation.start}:${mutation.end}:${mutation.replacement}`)
    .digest("hex")
    .slice(0, 16);
  return {
    ...mutation,
    id,
    file,
    line: source.subarray(0, mutation.start).toString().split("\n").length,
    before: excerpt(source, mutation.start, mutation.end),
    after: excerpt(mutated, mutation.start, mutation.start + Buffer.byteLength(mutation.replacement)),
  };
};
