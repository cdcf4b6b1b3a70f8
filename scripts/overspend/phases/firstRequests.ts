import { auditAtRest, problemsOf } from "../../spending/audit.ts";
import { chatBody } from "../../spending/bodies.ts";
import type { CallEnd } from "../../spending/Spender.ts";
import type { Harness } from "../Harness.ts";
import type { PhaseReport } from "./Phase.ts";

/** Long enough for every first request to arrive before the first call ends and gives credit back. */
const LATENCY_MS = 30_000;

const outcomeOf = ({ status, code }: CallEnd): string => `${status} ${code}`;

/** `requests` first requests at once, on credit for exactly `affordable` of them. */
export const firstRequests = async (
  harness: Harness,
  { requests, affordable }: { requests: number; affordable: number },
): Promise<PhaseReport> => {
  const body = (latencyMs: number): object => chatBody({ latencyMs: 10_000 + latencyMs, outputTokens: 20 });
  const holdNano = await harness.holdOf(body(0));
  const spender = await harness.openJob(holdNano * BigInt(affordable), requests);
  const startedAt = performance.now();
  const ends = await Promise.all(
    Array.from({ length: requests }, () => spender.call(body(LATENCY_MS - 10_000))),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const audit = await auditAtRest(harness.stack, spender.job.jobId);
  const admitted = ends.filter(({ status }) => status === 200).length;
  const refused = ends.filter(({ code }) => code === "credit_exhausted").length;
  const problems = problemsOf(audit);
  if (admitted !== affordable) problems.push(`${admitted} calls were admitted on credit for ${affordable}`);
  // A provider that cannot keep up fails closed; such a call costs nothing, and its credit goes to another.
  const failed = ends.filter(({ code }) => code === "provider_error").length;
  const known = ["credit_exhausted", "provider_error"];
  const others = ends.filter(({ status, code }) => status !== 200 && !known.includes(code));
  const outcomes = new Set(others.map(outcomeOf));
  for (const outcome of outcomes) {
    problems.push(`${others.filter((end) => outcomeOf(end) === outcome).length} calls ended with ${outcome}`);
  }
  return {
    name: "Concurrent first requests",
    figures: [
      ["requests at once", requests],
      ["replicas", harness.fleet.replicas.length],
      ["credit for", affordable],
      ["admitted", admitted],
      ["refused with 402", refused],
      ["failed at the provider, uncharged", failed],
      ["seconds", seconds.toFixed(1)],
    ],
    jobs: [audit],
    problems,
  };
};
