const scheme = "urn:tac:";

/** The URI names (RFC 5280, subjectAltName) that tie a certificate to an enrolled party. */
export const certificateNames = {
  /** @param address of the key that signs the gateway's tokens, lower-case. */
  gateway: (address: string): string => `${scheme}gateway:${address}`,
  /** @param providerId the provider's id on chain. */
  provider: (providerId: number): string => `${scheme}provider:${providerId}`,
  /** @param nodePublicKey the node's Ed25519 key, base64url: the same that signs its requests. */
  aggregator: (nodePublicKey: string): string => `${scheme}aggregator:${nodePublicKey}`,
  /** @param name of a person or a tool that operates the system and is no party of it. */
  operator: (name: string): string => `${scheme}operator:${name}`,
};

/** One entry of a subjectAltName as Node prints it; a value that could be misread as several is a JSON string there. */
const entry = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/gy;

/**
 * The URI names in a subjectAltName, as Node's `X509Certificate` and `PeerCertificate` print it. A text that does not
 * read as a list from its first to its last character names nobody.
 */
export const uriNamesOf = (subjectAltName: string | undefined): ReadonlySet<string> => {
  const names = new Set<string>();
  if (subjectAltName === undefined) return names;
  let end = 0;
  for (const match of subjectAltName.matchAll(entry)) {
    const [whole, type, value = ""] = match;
    end = match.index + whole.length;
    if (type === "URI") names.add(value.startsWith('"') ? String(JSON.parse(value)) : value);
  }
  return end === subjectAltName.length ? names : new Set();
};
