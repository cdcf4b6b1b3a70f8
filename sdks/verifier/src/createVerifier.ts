import {
  type Address,
  Capability,
  Constants,
  DpopProof,
  type ErrorCode,
  Header,
  type Hex,
  ProtocolError,
  UsageAuth,
  UsageReceipt,
  UsageReport,
  Wire,
} from "@tac/protocol";
import { createReplayGuard } from "./replayGuard.ts";

/** Headers as Node reports them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

export type Call = {
  headers: Headers;
  /** The model the call asks for; checked against the job's models when given. */
  model?: string;
  /** SHA-256 of the body in base64url; see `demandSameBody`. */
  bodyHash?: string;
};

/** A call worth serving. `proof` holds what the caller signed: method, URL, body digest, most it will pay. */
export type VerifiedCall = {
  receiptId: Hex;
  jobId: Hex;
  tenant: Address;
  gateway: Address;
  usageAuth: UsageAuth.UsageAuth;
  proof: DpopProof.DpopProof;
};

export type VerifierSettings = {
  /** EIP-712 domain of UsageReceipts, of `Deployment.domains(...).usageReceipts`. */
  domain: Wire.Domain;
  providerId: number;
  isGateway: (address: Address) => boolean;
  /**
   * Answers from a list that is at most 5 seconds old. `tenant` and `issuedAt` (Unix seconds, of the token) are for
   * tenants who revoked all at once.
   */
  isRevoked: (jobId: Hex, token: { tenant: Address; issuedAt: number }) => boolean;
  /** Unix milliseconds; the clock of the process when absent. */
  now?: () => number;
  /** Base URL of the gateway: proofs for another origin are refused. Absent: any gateway URL is accepted. */
  publicUrl?: string;
  /** How old a proof may be; the gateway has checked its freshness more strictly. */
  maxProofAgeSeconds?: number;
  /** Refuses a body other than the one the caller signed. A gateway that writes a bound into the body changes it. */
  demandSameBody?: boolean;
};

export type Verifier = {
  /**
   * Checks, without the network, that an enrolled gateway granted the call to this provider and that the caller's
   * own key asked for it. Cheap checks come first.
   *
   * @throws ProtocolError `invalid_usage_auth`, `usage_auth_expired`, `wrong_job`, `provider_not_allowed`,
   * `model_not_allowed`, `capability_revoked`, `invalid_proof`, `binding_mismatch`, `proof_replayed`, `invalid_request`.
   */
  verify: (call: Call) => VerifiedCall;
  /** Signs this provider's own count for a call: the countersignature of its receipt. */
  countersign: (count: { report: UsageReport.UsageReport; privateKey: Hex }) => UsageReport.SignedUsageReport;
};

const defaultProofAgeSeconds = 300;

/** The check a provider embeds in front of its API, after RFC 8392 (Usage-Auth) and RFC 9449 (the caller's proof). */
export const createVerifier = ({
  domain,
  providerId,
  isGateway,
  isRevoked,
  now = Date.now,
  publicUrl,
  maxProofAgeSeconds = defaultProofAgeSeconds,
  demandSameBody = false,
}: VerifierSettings): Verifier => {
  const replays = createReplayGuard(maxProofAgeSeconds + Constants.CLOCK_SKEW_SECONDS);
  const gatewayOrigin = publicUrl === undefined ? undefined : new URL(publicUrl).origin;

  const verify = ({ headers, model, bodyHash }: Call): VerifiedCall => {
    const nowSeconds = Math.floor(now() / 1_000);
    const token = single(headers, Header.usageAuth, "invalid_usage_auth");
    const jwt = single(headers, Header.callerProof, "invalid_proof");
    const receiptId = Wire.parse(Wire.bytes32, single(headers, Header.receiptId, "invalid_request"));
    const jobId = Wire.parse(Wire.bytes32, single(headers, Header.jobId, "invalid_request"));

    const usageAuth = UsageAuth.verify(token, { nowSeconds, isGateway });
    if (usageAuth.jobId !== jobId) throw new ProtocolError("wrong_job", { param: Header.jobId });
    if (!usageAuth.providers.includes(providerId)) throw new ProtocolError("provider_not_allowed");
    if (model !== undefined && !usageAuth.models.includes(model)) {
      throw new ProtocolError("model_not_allowed", { param: "model" });
    }
    const { tenant, issuedAt, gateway, holder } = usageAuth;
    if (isRevoked(jobId, { tenant, issuedAt })) throw new ProtocolError("capability_revoked");

    // The caller proved itself to the gateway, so method and URL are the gateway's; whoever pays can compare them.
    const { htm, htu, ekm } = DpopProof.parse(jwt).claims;
    if (gatewayOrigin !== undefined && new URL(htu).origin !== gatewayOrigin) {
      throw new ProtocolError("invalid_proof", { detail: "The proof is for another gateway.", param: "htu" });
    }
    if (usageAuth.binding === Capability.BINDING_EXPORTER && ekm === undefined) {
      throw new ProtocolError("binding_mismatch", {
        detail: "The proof names no TLS connection.",
        param: "ekm",
      });
    }
    if (demandSameBody && bodyHash === undefined) {
      throw new ProtocolError("invalid_request", {
        detail: "The hash of the body is needed.",
        param: "bodyHash",
      });
    }
    const proof = DpopProof.verify(jwt, {
      method: htm,
      url: htu,
      nowSeconds,
      maxAgeSeconds: maxProofAgeSeconds,
      holder,
      usageAuth: token,
      ...(demandSameBody && bodyHash !== undefined ? { bodyHash } : {}),
    });
    // A report names this id, so a wrong one would countersign another call, or keep that call from settling.
    if (UsageReceipt.receiptId({ gateway, jobId, claims: proof.claims }) !== receiptId) {
      throw new ProtocolError("invalid_request", {
        detail: "The receipt id is not that of the call the caller signed.",
        param: Header.receiptId,
      });
    }
    if (!replays.admit(proof.proofHash, nowSeconds)) throw new ProtocolError("proof_replayed");
    return { receiptId, jobId, tenant, gateway, usageAuth, proof };
  };

  return {
    verify,
    countersign: ({ report, privateKey }) => {
      if (report.providerId !== providerId) {
        throw new ProtocolError("invalid_request", {
          detail: `The report is for provider ${report.providerId}, not ${providerId}.`,
          param: "providerId",
        });
      }
      return UsageReport.sign(report, domain, privateKey);
    },
  };
};

/** A header that is there exactly once; a repeated one would leave open which value counts. */
const single = (headers: Headers, name: string, code: ErrorCode): string => {
  const value = headers[name];
  if (typeof value === "string" && value !== "") return value;
  const detail =
    value === undefined || value === "" ? `The header ${name} is missing.` : `The header ${name} repeats.`;
  throw new ProtocolError(code, { detail, param: name });
};
