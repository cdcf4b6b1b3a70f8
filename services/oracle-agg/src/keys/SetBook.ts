import { existsSync } from "node:fs";
import { type AggregatorSet, loadAggregatorSet, membershipHash } from "./AggregatorSet.ts";

/** Finds the sets this replica's operator approves of, by their membership hash. */
export type SetBook = {
  /** The present set first, then the next one if there is one. */
  sets(): AggregatorSet[];
  /** Null for a set that no file names. */
  find(membership: string): AggregatorSet | null;
};

/**
 * The sets in AGGREGATORS_FILE and NEXT_AGGREGATORS_FILE. They are read anew each time, so that a next set is announced
 * without a restart. Whoever holds a ceremony cannot bring in a set that is in neither.
 */
export const fileSetBook = (file: string, nextFile?: string): SetBook => {
  const sets = (): AggregatorSet[] => [
    loadAggregatorSet(file),
    ...(nextFile !== undefined && existsSync(nextFile) ? [loadAggregatorSet(nextFile)] : []),
  ];
  return bookOf(sets);
};

export const bookOf = (sets: () => AggregatorSet[]): SetBook => ({
  sets,
  find: (membership) => sets().find((set) => membershipHash(set) === membership) ?? null,
});
