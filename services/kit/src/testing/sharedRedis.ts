import { findRedis, REDIS_PROGRAM, SHARED_REDIS, startTestRedis } from "./testRedis.ts";

/**
 * Vitest's global set-up: one Redis for all test files, that of REDIS_URL if it is set. Tests that need one are skipped,
 * and it is said why, where none can be had.
 */
export default async (): Promise<(() => Promise<void>) | undefined> => {
  const given = process.env.REDIS_URL;
  if (given !== undefined) process.env[SHARED_REDIS] = given;
  try {
    const program = findRedis();
    process.env[REDIS_PROGRAM] = JSON.stringify(program);
    if (given !== undefined) return undefined;
    const server = await startTestRedis(program);
    process.env[SHARED_REDIS] = server.url;
    return server.stop;
  } catch (error) {
    const what = given === undefined ? "Tests on Redis" : "Tests that start a Redis of their own";
    console.warn(`${what} are skipped: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
};
