import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { withDeadline } from "./withDeadline.ts";

export type HealthCheck = () => Promise<unknown>;

type Outcome = { status: "ok" | "failed"; durationMs: number; problem?: string };

const runCheck = async (check: HealthCheck, deadlineMs: number): Promise<Outcome> => {
  const startedAt = performance.now();
  const durationMs = (): number => Math.round(performance.now() - startedAt);
  try {
    await withDeadline(check(), deadlineMs);
    return { status: "ok", durationMs: durationMs() };
  } catch (error) {
    return {
      status: "failed",
      durationMs: durationMs(),
      problem: error instanceof Error ? error.name : "unknown",
    };
  }
};

/**
 * `GET /livez` answers while the process serves. `GET /healthz` runs the checks together, each within `deadlineMs`,
 * and answers 503 when one fails. The answer names the checks, never the text of an error, which may hold secrets.
 */
export const addHealthRoutes = (
  app: FastifyInstance,
  {
    service,
    checks,
    deadlineMs,
  }: { service: string; checks: Readonly<Record<string, HealthCheck>>; deadlineMs: number },
): void => {
  const runAll = (log: FastifyBaseLogger): Promise<(readonly [string, Outcome])[]> =>
    Promise.all(
      Object.entries(checks).map(async ([name, check]) => {
        const outcome = await runCheck(check, deadlineMs);
        if (outcome.status === "failed") log.warn({ check: name, ...outcome }, "health check failed");
        return [name, outcome] as const;
      }),
    );
  let running: ReturnType<typeof runAll> | null = null;

  app.get("/livez", async () => ({ status: "ok", service }));
  app.get("/healthz", async (request, reply) => {
    // No rate limit counts these requests, so that those who come together share one look at what they ask about.
    running ??= runAll(request.log).finally(() => {
      running = null;
    });
    const outcomes = await running;
    const healthy = outcomes.every(([, { status }]) => status === "ok");
    reply.code(healthy ? 200 : 503).header("cache-control", "no-store");
    return { status: healthy ? "ok" : "failed", checks: Object.fromEntries(outcomes) };
  });
};
