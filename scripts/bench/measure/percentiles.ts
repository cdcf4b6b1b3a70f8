export type Percentiles = { p50: number; p95: number; p99: number; max: number };

/** By nearest rank: the value that so many of all values do not exceed; NaN for no values. */
export const percentilesOf = (values: Float64Array): Percentiles => {
  const sorted = Float64Array.from(values).sort();
  const at = (part: number): number => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
};

export const concat = (parts: readonly Float64Array[]): Float64Array => {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
};
