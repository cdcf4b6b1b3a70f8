import { ProtocolError, UsageAuth } from "@tac/protocol";

/** How far, in seconds, the clocks of caller and gateway may differ before a token is held to be of another time. */
const TOLERANCE_SECONDS = 60;
const GENERATION_SIZE = 4096;

/**
 * Verifies Usage-Auth tokens once each: a job's calls carry the same token, and its signature costs more than the rest
 * of the check. Two generations bound the memory.
 */
export class TokenCache {
  #young = new Map<string, UsageAuth.UsageAuth>();
  #old = new Map<string, UsageAuth.UsageAuth>();

  /** The token as it stood at `atSeconds`; an error's message when it is not valid. */
  verify(token: string, atSeconds: number): UsageAuth.UsageAuth | string {
    const known = this.#young.get(token) ?? this.#old.get(token);
    const verified = known ?? verifyAround(token, atSeconds);
    if (typeof verified === "string") return verified;
    this.#remember(token, verified);
    if (atSeconds < verified.notBefore - TOLERANCE_SECONDS) return "The token was not valid yet.";
    if (atSeconds >= verified.expiresAt + TOLERANCE_SECONDS) return "The token had expired.";
    return verified;
  }

  #remember(token: string, verified: UsageAuth.UsageAuth): void {
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(token, verified);
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
