import { ProtocolError, UsageAuth } from "@tac/protocol";
import QuickLRU from "quick-lru";

/** How far, in seconds, the clocks of caller and gateway may differ before a token is held to be of another time. */
const TOLERANCE_SECONDS = 60;
const KEPT_TOKENS = 4096;

/**
 * Verifies Usage-Auth tokens once each: a job's calls carry the same token, and its signature costs more than the rest
 * of the check. The memory is bounded.
 */
export class TokenCache {
  readonly #verified = new QuickLRU<string, UsageAuth.UsageAuth>({ maxSize: KEPT_TOKENS });
  readonly #hashes = new QuickLRU<string, string>({ maxSize: KEPT_TOKENS });

  /** `UsageAuth.hash` of a token, verified or not. */
  hash(token: string): string {
    const known = this.#hashes.get(token);
    if (known !== undefined) return known;
    const hash = UsageAuth.hash(token);
    this.#hashes.set(token, hash);
    return hash;
  }

  /** The token as it stood at `atSeconds`; an error's message when it is not valid. */
  verify(token: string, atSeconds: number): UsageAuth.UsageAuth | string {
    const known = this.#verified.get(token);
    const verified = known ?? verifyAround(token, atSeconds);
    if (typeof verified === "string") return verified;
    if (known === undefined) this.#verified.set(token, verified);
    if (atSeconds < verified.notBefore - TOLERANCE_SECONDS) return "The token was not valid yet.";
    if (atSeconds >= verified.expiresAt + TOLERANCE_SECONDS) return "The token had expired.";
    return verified;
  }
}

// The proof's time is the caller's clock and the token's the gateway's, so the neighbourhood is tried as well.
const verifyAround = (token: string, atSeconds: number): UsageAuth.UsageAuth | string => {
  let problem = "";
  for (const offset of [0, TOLERANCE_SECONDS, -TOLERANCE_SECONDS]) {
    try {
      return UsageAuth.verify(token, { nowSeconds: atSeconds + offset, isGateway: () => true });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      problem = error.message;
    }
  }
  return problem;
};
