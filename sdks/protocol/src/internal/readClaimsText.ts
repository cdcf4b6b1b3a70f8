import type { DpopClaims } from "../DpopProof.ts";

/** Printable ASCII without blank, quote and backslash: what JSON writes as it is. */
const PLAIN = "[\\x21\\x23-\\x5b\\x5d-\\x7e]";
const BYTES32 = '"([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])"';

const optional = (name: string, pattern: string): string => `(?:,"${name}":${pattern})?`;

const PATTERN = new RegExp(
  `^\\{"jti":"(${PLAIN}{16,128})","htm":"([A-Z]{1,16})","htu":"(${PLAIN}+)","iat":(0|[1-9][0-9]{0,14})` +
    optional("nonce", `"(${PLAIN}{1,256})"`) +
    optional("ath", BYTES32) +
    optional("ekm", BYTES32) +
    optional("bodyHash", BYTES32) +
    optional("maxCostNano", '"(0|[1-9][0-9]{0,19})"') +
    optional("ikh", BYTES32) +
    "\\}$",
);

const MAX_URL_CHARS = 2048;
const UINT64_LIMIT = 1n << 64n;

/**
 * Reads the claims of a proof as `DpopProof.create` writes them: one pass that checks form, spelling and order of every
 * member but whether `htu` is a normal URL. Null for anything else, which only means that the schema has to look at it.
 */
export function readClaimsText(text: string): DpopClaims | null {
  const found = PATTERN.exec(text);
  if (found === null) return null;
  const [, jti = "", htm = "", htu = "", iat, nonce, ath, ekm, bodyHash, cost, ikh] = found;
  const maxCostNano = cost === undefined ? undefined : BigInt(cost);
  if (htu.length > MAX_URL_CHARS || (maxCostNano !== undefined && maxCostNano >= UINT64_LIMIT)) return null;
  return {
    jti,
    htm,
    htu,
    iat: Number(iat),
    ...(nonce === undefined ? {} : { nonce }),
    ...(ath === undefined ? {} : { ath }),
    ...(ekm === undefined ? {} : { ekm }),
    ...(bodyHash === undefined ? {} : { bodyHash }),
    ...(maxCostNano === undefined ? {} : { maxCostNano }),
    ...(ikh === undefined ? {} : { ikh }),
  };
}
