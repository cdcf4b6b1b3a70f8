import { ProtocolError, UsageAuth } from "@tac/protocol";

const GENERATION_SIZE = 4_096;

/**
 * Verified Usage-Auth tokens, so that the many calls under one token pay for its signature once. What can change is asked
 * every time: whether it has expired, whether its gateway is still enrolled. Two generations bound the memory whatever
 * strangers send; a refused token is never kept.
 */
export const createTokenCache = (isGateway: (address: UsageAuth.UsageAuth["gateway"]) => boolean) => {
  let young = new Map<string, UsageAuth.UsageAuth>();
  let old = new Map<string, UsageAuth.UsageAuth>();
  return {
    /** Errors: those of `UsageAuth.verify`. */
    verify: (token: string, nowSeconds: number): UsageAuth.UsageAuth => {
      const known = young.get(token) ?? old.get(token);
      if (known !== undefined && isGateway(known.gateway)) {
        if (nowSeconds >= known.expiresAt) throw new ProtocolError("usage_auth_expired");
        return known;
      }
      const usageAuth = UsageAuth.verify(token, { nowSeconds, isGateway });
      if (young.size >= GENERATION_SIZE) {
        old = young;
        young = new Map();
      }
      young.set(token, usageAuth);
      return usageAuth;
    },
  };
};
