import { createHash } from "node:crypto";
import type { Mutant } from "./Mutant.ts";

/** Each file is drawn from at least this often, so that a short library is not passed by. */
const LEAST_PER_FILE = 5;

const rank = (seed: number, mutant: Mutant): string =>
  createHash("sha256").update(`${seed}:${mutant.id}`).digest("hex");

const groupByFile = (mutants: readonly Mutant[]): Map<string, Mutant[]> => {
  const groups = new Map<string, Mutant[]>();
  for (const mutant of mutants) groups.set(mutant.file, [...(groups.get(mutant.file) ?? []), mutant]);
  return groups;
};

/**
 * Draws `size` mutants, from each file in proportion to its share but never fewer than five where it has them.
 * The same seed, size and sources give the same sample; a larger sample contains a smaller one of the same seed.
 */
export const sample = (mutants: readonly Mutant[], size: number, seed: number): Mutant[] => {
  if (size >= mutants.length) return [...mutants];
  const byFile = groupByFile(mutants);
  return [...byFile.values()].flatMap((own) => {
    const share = Math.round((size * own.length) / mutants.length);
    const ranked = own.toSorted((left, right) => (rank(seed, left) < rank(seed, right) ? -1 : 1));
    return ranked.slice(0, Math.max(share, LEAST_PER_FILE)).sort((left, right) => left.start - right.start);
  });
};
