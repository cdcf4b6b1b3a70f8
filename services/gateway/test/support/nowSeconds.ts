/** The machine's time as capabilities and revocations state it, in whole seconds. */
export function nowSeconds(): bigint {
  return BigInt(Math.floor(Date.now() / 1000));
}
