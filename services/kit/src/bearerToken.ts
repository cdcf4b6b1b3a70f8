import { createHash, timingSafeEqual } from "node:crypto";
import { ProtocolError } from "@tac/protocol";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/**
 * A check for `Authorization: Bearer <token>`. Digests are compared in constant time, so neither the length nor a
 * common prefix of the token shows in how long a refusal takes.
 *
 * @throws ProtocolError `unauthorized`
 */
export const requireBearerToken = (token: string): ((authorization: string | undefined) => void) => {
  const expected = digest(`Bearer ${token}`);
  return (authorization) => {
    if (!timingSafeEqual(digest(authorization ?? ""), expected)) throw new ProtocolError("unauthorized");
  };
};
