import { ConfigError } from "./config.ts";

const isTakenPort = (error: unknown): error is Error & { port?: number; address?: string } =>
  error instanceof Error && "code" in error && error.code === "EADDRINUSE";

/** What to print when a service cannot start: what is wrong and what to do, with a stack only for the unexpected. */
export const startupMessage = (error: unknown): string => {
  if (error instanceof ConfigError) return error.message;
  if (isTakenPort(error)) {
    return `port ${error.port} on ${error.address} is taken; set PORT or stop what listens there`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
};

/** Runs the `main` of a service; a failure to start is printed on stderr and ends the process with code 1. */
export const runService = async (main: () => Promise<void>): Promise<void> => {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${startupMessage(error)}\n`);
    process.exit(1);
  }
};
