const number = (name: string, fallback: number): number => {
  const text = process.env[name];
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} is a whole number above zero.`);
  return value;
};

/** How hard to try; each may be set in the environment. */
export const settings = {
  replicas: number("REPLICAS", 3),
  firstRequests: { requests: number("REQUESTS", 2_000), affordable: number("AFFORDABLE", 137) },
  duplicates: { keys: number("KEYS", 250), copies: 4 },
  storm: { seconds: number("SECONDS", 60), jobs: number("JOBS", 8), callers: number("CALLERS", 200) },
  /** LITELLM=0 leaves the comparison out. */
  compares: process.env.LITELLM !== "0",
} as const;
