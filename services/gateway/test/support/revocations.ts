import type { Pool } from "@tac/kit";
import { Revocation } from "@tac/protocol";
import type { Hex } from "viem";
import { expect } from "vitest";
import { bytesOf } from "../../src/ledger/bytes.ts";
import type { Harness, TestJob } from "./harness.ts";
import { domains } from "./identities.ts";
import { nowSeconds } from "./nowSeconds.ts";
import type { Answer } from "./TestCaller.ts";

/** A body that revokes the capability of one job, by its tenant unless another key is given. */
export function revokeOneBody(
  { grant }: Pick<TestJob, "grant">,
  { deadline = nowSeconds() + 60n, key = grant.tenantKey } = {},
) {
  const { tenant, salt } = grant.capability;
  const revocation = { tenant, salt, deadline };
  return {
    revocation: Revocation.toJson(revocation),
    signature: Revocation.sign(revocation, domains.capability, key),
  };
}

/** A body that revokes all that the job's tenant granted until then. */
export function revokeAllBody(
  { grant }: Pick<TestJob, "grant">,
  { revokedAt = nowSeconds(), key = grant.tenantKey, deadline = nowSeconds() + 60n } = {},
) {
  const order = { tenant: grant.capability.tenant, revokedAt, deadline };
  return {
    revokeAll: Revocation.allToJson(order),
    signature: Revocation.signAll(order, domains.capability, key),
  };
}

/** Hands a revocation in, as anybody may. */
export async function postRevocation(harness: Harness, body: unknown): Promise<Answer> {
  return (await harness.caller()).send({ path: "/v1/revocations", body });
}

/** The answer to a revocation that was taken. */
export function takenOf({ status, text }: Answer) {
  expect(status, text).toBe(200);
  return JSON.parse(text) as { jobIds: Hex[]; revokedAtMs: string; chain: string };
}

/** How the task to bring a job's revocation to the chain ended: null while it waits, undefined when there is none. */
export async function taskOf(pool: Pool, jobId: Hex): Promise<string | null | undefined> {
  const { rows } = await pool.query<{ outcome: string | null }>(
    "SELECT outcome FROM revocation_tasks WHERE job_id = $1",
    [bytesOf(jobId)],
  );
  return rows[0]?.outcome;
}
