import { hash } from "node:crypto";
import { Capability, DpopProof, Errors, Header, UsageAuth } from "@tac/protocol";
import type { FastifyRequest } from "fastify";
import type { Address, Hex } from "viem";
import type { Job } from "../jobs/Job.ts";
import type { JobStore } from "../jobs/JobStore.ts";
import { hexOf } from "../ledger/bytes.ts";
import type { NowMs } from "../StoreClock.ts";
import { exporterOf } from "./exporterOf.ts";
import { idempotencyKeyOf } from "./idempotencyKeyOf.ts";
import type { NonceIssuer } from "./NonceIssuer.ts";
import { ProofMemory } from "./ProofMemory.ts";

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
};

export type ProofContext = { holder: Hex; binding: number; usageAuthToken: string | null };

/** `read`: to look at a job and its receipts, which stays allowed after the job has ended. */
export type Access = "spend" | "read";

const PROOF_MAX_AGE_SECONDS = 60;
/** A proof may be a few seconds from the future, and is then valid for that much longer. */
export const PROOF_MEMORY_MS = 2 * PROOF_MAX_AGE_SECONDS * 1000;

/**
 * The gate of every route that spends or shows a job. What is cheap comes first: sizes and syntax, the token (its
 * signature is checked once, then it is cached), revocation, what the proof claims, its nonce (one HMAC), the connection's
 * exporter, whether this replica has seen it, the body's digest, and last the proof's signature. A forged proof costs
 * at most one verification and changes nothing here or in the store.
 *
 * What is cached, and until when: a token until it expires (it is looked at each time) or thousands of others
 * have come; a job's grant for as long as there is room, because it never changes; an exporter as long as its socket; a
 * holder's key likewise; revocations as `RevocationFeed` says. Balances, status and the
 * end of a job are never cached.
 *
 * A proof is used once, on whichever replica: the store decides, in the transaction that takes the hold or before the
 * answer. Its memory survives a crash of any process, the database's included; each replica's own memory does not need to.
 * Clocks: `iat` may be a minute old or a few seconds ahead; how long a proof is good is bounded by the nonce, which is the
 * clock of the gateway's store, the same for every replica.
 */
export class Authenticator {
  readonly #publicUrl: string;
  readonly #bindsConnections: boolean;
  readonly #nowMs: NowMs;
  readonly #nonces: NonceIssuer;
  readonly #jobs: JobStore;
  readonly #verifyToken: UsageAuth.Verifier;
  readonly #isRevoked: (jobId: Hex) => boolean;
  readonly #observeMs: (durationMs: number, isAccepted: boolean) => void;
  readonly #proofs = new ProofMemory(PROOF_MEMORY_MS);

  constructor(deps: {
    publicUrl: string;
    bindsConnections: boolean;
    gateway: Address;
    nowMs: NowMs;
    nonces: NonceIssuer;
    jobs: JobStore;
    isRevoked: (jobId: Hex) => boolean;
    observeMs: (durationMs: number, isAccepted: boolean) => void;
  }) {
    this.#publicUrl = deps.publicUrl;
    this.#bindsConnections = deps.bindsConnections;
    this.#nowMs = deps.nowMs;
    this.#nonces = deps.nonces;
    this.#jobs = deps.jobs;
    this.#verifyToken = UsageAuth.createVerifier((address) => address === deps.gateway);
    this.#isRevoked = deps.isRevoked;
    this.#observeMs = deps.observeMs;
  }

  /**
   * Errors: `invalid_usage_auth`, `usage_auth_expired`, `invalid_proof`, `use_dpop_nonce`, `binding_mismatch`,
   * `proof_replayed`, `unknown_job`, `wrong_job`; to spend also `capability_revoked`, `capability_expired`,
   * `capability_not_yet_valid`. Whether the job still admits calls or its close is for the store to say, in the step that
   * admits them.
   */
  async authenticate(request: FastifyRequest, access: Access, jobId?: Hex): Promise<Caller> {
    const startedAt = performance.now();
    let isAccepted = false;
    try {
      const caller = await this.#verify(request, access, jobId);
      isAccepted = true;
      return caller;
    } finally {
      this.#observeMs(performance.now() - startedAt, isAccepted);
    }
  }

  async #verify(request: FastifyRequest, access: Access, jobId?: Hex): Promise<Caller> {
    const usageAuthToken = singleHeader(request, Header.usageAuth, "invalid_usage_auth");
    const usageAuth = this.#verifyToken(usageAuthToken, this.#nowSeconds());
    if (jobId !== undefined && jobId !== usageAuth.jobId) throw Errors.fromCode("wrong_job");
    if (access === "spend" && this.#isRevoked(usageAuth.jobId)) throw Errors.fromCode("capability_revoked");
    const proof = this.verifyProof(request, { ...usageAuth, usageAuthToken });
    const job = await this.#jobs.find(usageAuth.jobId);
    if (job === null) throw Errors.fromCode("unknown_job");
    if (job.capabilityHash !== usageAuth.capabilityHash || job.capability.holder !== usageAuth.holder) {
      throw Errors.fromCode("wrong_job", { detail: "The token is for another capability." });
    }
    if (access === "spend") refuseOutOfTime(job.capability, this.#nowSeconds());
    return { job, usageAuth, usageAuthToken, proof };
  }

  /** A proof by the holder for this very request, on this very connection. It is not spent yet. */
  verifyProof(request: FastifyRequest, { holder, binding, usageAuthToken }: ProofContext): SpendableProof {
    const jwt = singleHeader(request, Header.dpop, "invalid_proof");
    const { body } = request;
    const { claims, proofHash } = DpopProof.verify(jwt, {
      method: request.method,
      url: `${this.#publicUrl}${plainTarget(request.url)}`,
      nowSeconds: this.#nowSeconds(),
      maxAgeSeconds: PROOF_MAX_AGE_SECONDS,
      holder,
      nonce: (nonce) => this.#nonces.isFresh(nonce, this.#nowSeconds()),
      exporter: binding === Capability.BINDING_EXPORTER ? this.#exporterOf(request) : null,
      ...(usageAuthToken === null ? {} : { usageAuth: usageAuthToken }),
      idempotencyKey: idempotencyKeyOf(request),
      isReplayed: ({ proofHash }) => this.#proofs.has(proofHash),
      ...(Buffer.isBuffer(body) ? { bodyHash: () => DpopProof.bodyHash(body) } : {}),
    });
    this.#proofs.add(proofHash, this.#nowMs());
    return {
      jwt,
      claims,
      proofHash,
      jtiHash: hexOf(hash("sha256", claims.jti, "buffer")),
    };
  }

  #nowSeconds(): number {
    return Math.floor(this.#nowMs() / 1000);
  }

  #exporterOf(request: FastifyRequest): Buffer {
    if (!this.#bindsConnections) throw Errors.fromCode("binding_unsupported");
    return exporterOf(request.raw.socket);
  }

  /** Spends the proof of a request that is not a call. Errors: `proof_replayed`. */
  async spend(jobId: Hex, proof: SpendableProof): Promise<void> {
    if (!(await this.#jobs.spendProof(jobId, proof.jtiHash, PROOF_MEMORY_MS))) {
      throw Errors.fromCode("proof_replayed");
    }
  }
}

const PLAIN_PATH = /^(?:\/[A-Za-z0-9_-]+)+$/;

/**
 * The router also finds a route by an encoded or absolute spelling of it. A proof for such a spelling is good for no
 * aggregator, so the call would be served and never settle. Errors: `invalid_proof`.
 */
function plainTarget(target: string): string {
  const [path = ""] = target.split(/[?#]/, 1);
  if (PLAIN_PATH.test(path)) return target;
  throw Errors.fromCode("invalid_proof", {
    param: "htu",
    detail: "The request's path is not spelt as its route is.",
  });
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

function refuseOutOfTime({ validAfter, expiresAt }: Capability.Capability, nowSeconds: number): void {
  const now = BigInt(nowSeconds);
  if (now >= expiresAt) throw Errors.fromCode("capability_expired");
  if (now < validAfter) throw Errors.fromCode("capability_not_yet_valid");
}
