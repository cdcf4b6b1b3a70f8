import { Capability, DpopProof, ProtocolError, type UsageAuth } from "@tac/protocol";
import QuickLRU from "quick-lru";
import type { Job } from "./Job.ts";
import type { TokenCache } from "./TokenCache.ts";
import { type Refusal, refuse } from "./Verdict.ts";

/** A stream may be metered long after its proof was made. */
const PROOF_MAX_AGE_MS = 3_600_000n;
const CLOCK_SKEW_MS = 60_000n;

export type CallerInput = {
  job: Job;
  proof: string;
  usageAuth: string;
  /** Unix ms: when the gateway says it happened. */
  happenedAtMs: bigint;
  /** Request paths the proof may be for. */
  allowsPath: (path: string) => boolean;
  /** Origins of the gateway; null lets any pass, since the token already names the gateway. */
  origins: ReadonlySet<string> | null;
  tokens: TokenCache;
};

export type Caller = { claims: DpopProof.DpopClaims; proofHash: `0x${string}`; token: UsageAuth.UsageAuth };

/**
 * What the caller itself signed: a DPoP proof (RFC 9449) by the capability's holder, for a token of this gateway and
 * job. Cheap checks come first, because a forged proof costs a full verification to refuse.
 */
export const validateCaller = (input: CallerInput): Caller | ({ ok: false } & Refusal) => {
  const { job, proof, usageAuth } = input;
  const parsed = parseProof(proof);
  if (typeof parsed === "string") return refuse("proof_malformed", parsed);
  const { claims } = parsed;
  if (parsed.holder !== job.capability.holder)
    return refuse("proof_holder", "The proof is by another key than the capability's holder.");
  const problem = requestProblem(claims, input);
  if (problem !== null) return refuse("proof_request", problem);
  if (claims.ath !== input.tokens.hash(usageAuth))
    return refuse("proof_token", "The proof is for another Usage-Auth token.");
  if (job.capability.binding === Capability.BINDING_EXPORTER && claims.ekm === undefined)
    return refuse("proof_binding", "The capability demands proofs bound to their TLS connection.");
  const madeAtMs = BigInt(claims.iat) * 1000n;
  if (madeAtMs > input.happenedAtMs + CLOCK_SKEW_MS || madeAtMs < input.happenedAtMs - PROOF_MAX_AGE_MS)
    return refuse("proof_time", "The proof was not made around the time of the call.");

  const token = input.tokens.verify(usageAuth, claims.iat);
  if (typeof token === "string") return refuse("token_invalid", token);
  if (token.gateway !== job.gateway)
    return refuse("token_invalid", "The token was issued by another gateway.");
  if (!grants(token, job)) return refuse("token_capability", "The token is for another capability.");
  if (!DpopProof.isSigned(proof, parsed))
    return refuse("proof_signature", "The proof's signature is not valid.");
  return { claims, proofHash: parsed.proofHash, token };
};

const parseProof = (proof: string): DpopProof.DpopProof | string => {
  try {
    return DpopProof.parse(proof);
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
};

const requestProblem = (
  claims: DpopProof.DpopClaims,
  { allowsPath, origins }: CallerInput,
): string | null => {
  if (claims.htm !== "POST") return "The proof is for another method than POST.";
  // A caller's first attempt is answered with a nonce, not with a call; without this rule a gateway could bill both.
  if (claims.nonce === undefined) return "The proof carries no nonce of the gateway.";
  const { origin, pathname } = placeOf(claims.htu);
  if (!allowsPath(pathname)) return `The proof is for ${pathname}.`;
  if (origins !== null && !origins.has(origin)) return `The proof is for ${origin}.`;
  return null;
};

// Callers reach a gateway at a handful of URLs.
const places = new QuickLRU<string, { origin: string; pathname: string }>({ maxSize: 256 });

const placeOf = (url: string): { origin: string; pathname: string } => {
  const known = places.get(url);
  if (known !== undefined) return known;
  const { origin, pathname } = new URL(url);
  places.set(url, { origin, pathname });
  return { origin, pathname };
};

const grants = (token: UsageAuth.UsageAuth, { capability, capabilityHash, jobId }: Job): boolean =>
  token.capabilityHash === capabilityHash &&
  token.jobId === jobId &&
  token.tenant === capability.tenant &&
  token.holder === capability.holder &&
  token.binding === capability.binding &&
  token.countersigned === capability.countersigned;
