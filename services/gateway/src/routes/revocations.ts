import { Capability, Errors, Revocation, RevocationList, Wire } from "@tac/protocol";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Address, Hex } from "viem";
import { z } from "zod";
import type { Deps } from "../deps.ts";
import { readJson, SMALL_BODY } from "./readJson.ts";

const MAX_WAIT_MS = 2_000;
/** Beyond this, askers are answered at once, and ask again. */
const MAX_WAITING = 1_000;
const CLOCK_SKEW_SECONDS = 5n;
const LATEST_DEADLINE = 2n ** 63n - 1n;

const bodySchema = z.union([
  z.strictObject({ revocation: Revocation.schema, signature: Wire.accountSignature }),
  z.strictObject({ revokeAll: Revocation.allSchema, signature: Wire.accountSignature }),
  z.strictObject({ jobId: Wire.bytes32 }),
]);

const digits = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,17})$/)
  .default("0");
const listQuery = z.strictObject({
  after: digits.transform((text) => BigInt(text)),
  waitMs: digits.transform((text) => Math.min(Number(text), MAX_WAIT_MS)),
});

/** `chain`: who brings it on chain, so that later usage cannot settle whatever a gateway does. */
type Answer = { jobIds: Hex[]; revokedAtMs: string | null; chain: "gateway" | "tenant" | "feed" };

/** Revocation by API, and the list of what is revoked. */
export function addRevocationRoutes(app: FastifyInstance, deps: Deps): void {
  const { identity, revocationFeed } = deps;

  app.post("/v1/revocations", SMALL_BODY, async (request): Promise<Answer> => {
    const body = readJson(bodySchema, request.body);
    if ("revocation" in body) return revokeOne(deps, body.revocation, body.signature);
    if ("revokeAll" in body) return revokeAll(deps, body.revokeAll, body.signature);
    return revokeHeld(deps, request, body.jobId);
  });

  app.get("/v1/revocations", async (request, reply) => {
    const { after, waitMs } = Wire.parse(listQuery, request.query);
    revocationFeed.assertFresh();
    if (revocationFeed.waitingCount < MAX_WAITING) await revocationFeed.waitAfter(after, waitMs);
    // The time first: what is added meanwhile makes the list better than it says, never worse.
    const issuedAtMs = BigInt(revocationFeed.completeAtMs());
    revocationFeed.assertFresh();
    const { entries, toSeq, headSeq } = revocationFeed.page(after);
    const page = RevocationList.sign(
      {
        head: { gateway: identity.gateway, afterSeq: after, toSeq, headSeq, issuedAtMs },
        entries,
      },
      identity.domains.usageReceipts,
      identity.gatewayPrivateKey,
    );
    reply.header("cache-control", "no-store");
    return RevocationList.toJson(page);
  });
}

/** Errors: `invalid_signature`, `unknown_job`. */
async function revokeOne(deps: Deps, revocation: Revocation.Revocation, signature: Hex): Promise<Answer> {
  const { jobs, revocations, identity } = deps;
  refuseLate(revocation.deadline, deps.nowMs());
  const jobId = Capability.jobId(revocation.tenant, revocation.salt);
  // Whoever is not known here cannot make this gateway pay for a transaction.
  if ((await jobs.state(jobId)) === null) {
    throw Errors.fromCode("unknown_job", {
      detail: "The job was not locked here; revoke it with CapabilityAuthority.revokeWithSignature.",
    });
  }
  const digest = Revocation.hash(revocation, identity.domains.capability);
  await refuseUnsigned(deps, revocation.tenant, digest, signature);
  await revocations.recordSigned(jobId, revocation, signature);
  return answer(deps, [jobId], "gateway");
}

/**
 * Errors: `invalid_signature`, `invalid_request` for a date in the future, `unknown_job` for a tenant with neither a job
 * here nor credit to lock one.
 */
async function revokeAll(deps: Deps, order: Revocation.RevokeAll, signature: Hex): Promise<Answer> {
  refuseLate(order.deadline, deps.nowMs());
  if (order.deadline > LATEST_DEADLINE) {
    throw Errors.fromCode("invalid_request", {
      param: "revokeAll.deadline",
      detail: "The deadline is later than 2^63 - 1 seconds.",
    });
  }
  if (order.revokedAt > secondsOf(deps.nowMs()) + CLOCK_SKEW_SECONDS) {
    throw Errors.fromCode("invalid_request", {
      param: "revokeAll.revokedAt",
      detail: "The date lies in the future.",
    });
  }
  const digest = Revocation.hashAll(order, deps.identity.domains.capability);
  await refuseUnsigned(deps, order.tenant, digest, signature);
  await refuseStranger(deps, order.tenant);
  const jobIds = await deps.revocations.recordSignedAll(order, signature);
  // The contract takes a revocation of all from the tenant alone, so the tenant has to send it.
  return answer(deps, jobIds, "tenant");
}

/** A holder ends its own job, with a token that may have ended already. Errors: those of the gate. */
async function revokeHeld(deps: Deps, request: FastifyRequest, jobId: Hex): Promise<Answer> {
  const caller = await deps.authenticator.authenticate(request, "read", jobId);
  await deps.authenticator.spend(jobId, caller.proof);
  await deps.revocations.recordHeld(caller.job.capability.tenant, jobId, {
    proof: caller.proof.jwt,
    usageAuth: caller.usageAuthToken,
  });
  return answer(deps, [jobId], "feed");
}

async function answer(
  { revocations, revocationFeed }: Deps,
  jobIds: Hex[],
  chain: Answer["chain"],
): Promise<Answer> {
  const [first] = jobIds;
  if (first !== undefined) await revocationFeed.announce();
  const revokedAtMs = first === undefined ? null : await revocations.revokedAtMs(first);
  return { jobIds, revokedAtMs: revokedAtMs?.toString() ?? null, chain };
}

/** Anyone can sign for an address of their own, and each order is kept for jobs to come: it takes a stake to give one. */
async function refuseStranger({ jobs, chain }: Deps, tenant: Address): Promise<void> {
  if ((await jobs.hasTenant(tenant)) || (await chain.freeCreditOf(tenant)) > 0n) return;
  throw Errors.fromCode("unknown_job", {
    detail: "The tenant has no job here and no credit; revoke with CapabilityAuthority.revokeAll.",
  });
}

function refuseLate(deadline: bigint, nowMs: number): void {
  if (secondsOf(nowMs) <= deadline) return;
  throw Errors.fromCode("invalid_signature", { param: "deadline", detail: "The signature has expired." });
}

/** An account that is a key is recovered; only if that fails is one that may be a contract asked, on chain. */
async function refuseUnsigned({ chain }: Deps, tenant: Address, digest: Hex, signature: Hex): Promise<void> {
  if (Wire.recoverDigest(digest, signature) === tenant) return;
  if (await chain.isSignedByAccount(tenant, digest, signature)) return;
  throw Errors.fromCode("invalid_signature", {
    param: "signature",
    detail: "The tenant did not sign this revocation.",
  });
}

function secondsOf(ms: number): bigint {
  return BigInt(Math.floor(ms / 1000));
}
