import { certificateNames, type PeerCertificate } from "@tac/kit";
import { type Address, ProtocolError } from "@tac/protocol";

/**
 * Whoever forwards a call must be the gateway that issued its token (RFC 8705's idea, for a token between services):
 * an enrolled gateway gains nothing from the token of another one.
 *
 * @param certificate verified, of the connection the call came on; null without one.
 * @param gateway the verified issuer of the call's Usage-Auth.
 * @throws ProtocolError `certificate_required`
 */
export const assertGatewayCertificate = (certificate: PeerCertificate | null, gateway: Address): void => {
  if (certificate?.names.has(certificateNames.gateway(gateway)) === true) return;
  throw new ProtocolError("certificate_required", {
    detail: `The connection is not that of the gateway ${gateway}, which issued the token.`,
  });
};
