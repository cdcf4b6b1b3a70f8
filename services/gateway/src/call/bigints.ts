/** The smallest; Math.min knows no bigint. */
export function least(first: bigint, ...others: readonly bigint[]): bigint {
  let smallest = first;
  for (const value of others) if (value < smallest) smallest = value;
  return smallest;
}

/** The largest; Math.max knows no bigint. */
export function greatest(first: bigint, ...others: readonly bigint[]): bigint {
  let largest = first;
  for (const value of others) if (value > largest) largest = value;
  return largest;
}
