import { Constants, Errors, UsageAuth } from "@tac/protocol";
import type { Address } from "viem";

const GENERATION_SIZE = 8192;

/**
 * Verifies Usage-Auth tokens of this gateway. A token seen before costs no signature check, only its times are
 * looked at again. Two generations bound the cache whatever strangers send; a refused token is never kept.
 */
export class TokenVerifier {
  readonly #gateway: Address;
  #young = new Map<string, UsageAuth.UsageAuth>();
  #old = new Map<string, UsageAuth.UsageAuth>();

  constructor(gateway: Address) {
    this.#gateway = gateway;
  }

  /** Errors: `invalid_usage_auth`, `usage_auth_expired`. */
  verify(token: string, nowSeconds: number): UsageAuth.UsageAuth {
    if (token.length > Constants.USAGE_AUTH_MAX_BYTES) {
      throw Errors.fromCode("invalid_usage_auth", { detail: "The token is too large.", param: "usage-auth" });
    }
    const known = this.#young.get(token) ?? this.#old.get(token);
    if (known !== undefined) {
      if (nowSeconds >= known.expiresAt) throw Errors.fromCode("usage_auth_expired");
      return known;
    }
    const usageAuth = UsageAuth.verify(token, {
      nowSeconds,
      isGateway: (address) => address === this.#gateway,
    });
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(token, usageAuth);
    return usageAuth;
  }
}
