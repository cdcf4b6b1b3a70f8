/**
 * The first failing test in what `forge test` printed; null where it names none. An invariant has the calls that broke it
 * between its reason and its name.
 */
export const firstFailure = (output: string): string | null =>
  /\[FAIL[^\n]*\](?:\n\t[^\n]*)*\s+(\w+)\(/.exec(output)?.[1] ?? null;
