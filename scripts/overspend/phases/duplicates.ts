import { randomUUID } from "node:crypto";
import { auditAtRest, problemsOf } from "../../spending/audit.ts";
import { chatBody } from "../../spending/bodies.ts";
import type { Harness } from "../Harness.ts";
import type { PhaseReport } from "./Phase.ts";

/** Each of `keys` Idempotency-Keys is sent `copies` times at once, to different replicas. */
export const duplicates = async (
  harness: Harness,
  { keys, copies }: { keys: number; copies: number },
): Promise<PhaseReport> => {
  const body = chatBody({ latencyMs: 50, outputTokens: 20 });
  const spender = await harness.openJob(1_000_000_000n, 64);
  const ends = await Promise.all(
    Array.from({ length: keys }, async () => {
      const idempotencyKey = randomUUID();
      return Promise.all(
        Array.from({ length: copies }, () => spender.call(body, { idempotencyKey, maxRetries: 20 })),
      );
    }),
  );
  const audit = await auditAtRest(harness.stack, spender.job.jobId);
  const answered = ends.flat().filter(({ status }) => status === 200).length;
  const isOneAnswer = (of: (typeof ends)[number]): boolean =>
    new Set(of.map(({ receiptId, costNano }) => `${receiptId} ${costNano}`)).size === 1;
  const differing = ends.filter((of) => !isOneAnswer(of)).length;
  const problems = problemsOf(audit);
  if (audit.charged !== keys) problems.push(`${audit.charged} calls were charged for ${keys} keys`);
  if (answered !== keys * copies) problems.push(`${keys * copies - answered} copies got no answer`);
  if (differing > 0) problems.push(`${differing} keys got different answers`);
  return {
    name: "Duplicate Idempotency-Keys",
    figures: [
      ["keys", keys],
      ["copies of each, at once", copies],
      ["answered", answered],
      ["charged", audit.charged],
    ],
    jobs: [audit],
    problems,
  };
};
