import { createHash } from "node:crypto";
import { Capability, DpopProof, Errors, Header, type UsageAuth } from "@tac/protocol";
import type { FastifyRequest } from "fastify";
import type { Address, Hex } from "viem";
import type { Job } from "../jobs/Job.ts";
import type { JobStore } from "../jobs/JobStore.ts";
import { hexOf } from "../ledger/bytes.ts";
import { exporterOf } from "./exporterOf.ts";
import type { NonceIssuer } from "./NonceIssuer.ts";
import { TokenVerifier } from "./TokenVerifier.ts";

/** Who calls, and with what right; `proof` is verified but not yet spent. */
export type Caller = {
  job: Job;
  usageAuth: UsageAuth.UsageAuth;
  usageAuthToken: string;
  proof: SpendableProof;
};

export type SpendableProof = {
  jwt: string;
  claims: DpopProof.DpopClaims;
  proofHash: Hex;
  /** SHA-256 of the `jti`; unique within a job. */
  jtiHash: Hex;
  /** When the proof could no longer pass its age check. */
  expiresAtMs: number;
};

export type ProofContext = { holder: Hex; binding: number; usageAuthToken: string | null };

/** `read`: to look at a job and its receipts, which stays allowed after the job has ended. */
export type Access = "spend" | "read";

const PROOF_MAX_AGE_SECONDS = 60;
// A proof may be a few seconds from the future, and is then valid for that much longer.
const PROOF_MEMORY_MS = 2 * PROOF_MAX_AGE_SECONDS * 1000;

/** The gate of every route that spends or shows a job: token, then proof of possession, then the job itself. */
export class Authenticator {
  readonly #publicUrl: string;
  readonly #nonces: NonceIssuer;
  readonly #jobs: JobStore;
  readonly #tokens: TokenVerifier;
  readonly #observeMs: (durationMs: number) => void;

  constructor(deps: {
    publicUrl: string;
    gateway: Address;
    nonces: NonceIssuer;
    jobs: JobStore;
    observeMs: (durationMs: number) => void;
  }) {
    this.#publicUrl = deps.publicUrl;
    this.#nonces = deps.nonces;
    this.#jobs = deps.jobs;
    this.#tokens = new TokenVerifier(deps.gateway);
    this.#observeMs = deps.observeMs;
  }

  /**
   * Errors: `invalid_usage_auth`, `usage_auth_expired`, `invalid_proof`, `use_dpop_nonce`, `binding_mismatch`,
   * `unknown_job`, `wrong_job`; to spend also `capability_expired`, `capability_not_yet_valid`. Whether the job still
   * admits calls or its close is for the store to say, in the step that admits them.
   */
  async authenticate(request: FastifyRequest, access: Access, jobId?: Hex): Promise<Caller> {
    const startedAt = performance.now();
    const usageAuthToken = singleHeader(request, Header.usageAuth, "invalid_usage_auth");
    const usageAuth = this.#tokens.verify(usageAuthToken, nowSeconds());
    if (jobId !== undefined && jobId !== usageAuth.jobId) throw Errors.fromCode("wrong_job");
    const proof = this.verifyProof(request, { ...usageAuth, usageAuthToken });
    const job = await this.#jobs.find(usageAuth.jobId);
    if (job === null) throw Errors.fromCode("unknown_job");
    if (job.capabilityHash !== usageAuth.capabilityHash || job.capability.holder !== usageAuth.holder) {
      throw Errors.fromCode("wrong_job", { detail: "The token is for another capability." });
    }
    if (access === "spend") refuseOutOfTime(job.capability);
    this.#observeMs(performance.now() - startedAt);
    return { job, usageAuth, usageAuthToken, proof };
  }

  /** A proof by the holder for this very request, on this very connection. It is not spent yet. */
  verifyProof(request: FastifyRequest, { holder, binding, usageAuthToken }: ProofContext): SpendableProof {
    const jwt = singleHeader(request, Header.dpop, "invalid_proof");
    const { claims, proofHash } = DpopProof.verify(jwt, {
      method: request.method,
      url: `${this.#publicUrl}${request.url}`,
      nowSeconds: nowSeconds(),
      maxAgeSeconds: PROOF_MAX_AGE_SECONDS,
      holder,
      nonce: (nonce) => this.#nonces.isFresh(nonce, nowSeconds()),
      exporter: binding === Capability.BINDING_EXPORTER ? exporterOf(request.raw.socket) : null,
      ...(usageAuthToken === null ? {} : { usageAuth: usageAuthToken }),
      ...(Buffer.isBuffer(request.body) ? { bodyHash: DpopProof.bodyHash(request.body) } : {}),
    });
    return {
      jwt,
      claims,
      proofHash,
      jtiHash: hexOf(createHash("sha256").update(claims.jti).digest()),
      expiresAtMs: Date.now() + PROOF_MEMORY_MS,
    };
  }

  /** Spends the proof of a request that is not a call. Errors: `proof_replayed`. */
  async spend(jobId: Hex, proof: SpendableProof): Promise<void> {
    if (!(await this.#jobs.spendProof(jobId, proof.jtiHash, proof.expiresAtMs))) {
      throw Errors.fromCode("proof_replayed");
    }
  }
}

/** A header sent twice is refused: Node would join the values, and two readers could take different ones. */
function singleHeader(
  request: FastifyRequest,
  name: string,
  code: "invalid_usage_auth" | "invalid_proof",
): string {
  const values = request.raw.headersDistinct[name];
  if (values?.length !== 1 || values[0] === undefined || values[0] === "") {
    throw Errors.fromCode(code, { param: name, detail: `The request needs one ${name} header.` });
  }
  return values[0];
}

function refuseOutOfTime({ validAfter, expiresAt }: Capability.Capability): void {
  const now = BigInt(nowSeconds());
  if (now >= expiresAt) throw Errors.fromCode("capability_expired");
  if (now < validAfter) throw Errors.fromCode("capability_not_yet_valid");
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
