import {
  type Address,
  Capability,
  Constants,
  DpopProof,
  type ErrorCode,
  Header,
  type Hex,
  Pricing,
  ProtocolError,
  UsageAuth,
  UsageReceipt,
  UsageReport,
  Wire,
} from "@tac/protocol";
import type { Revocations } from "./createRevocationList.ts";
import { createReplayGuard } from "./replayGuard.ts";

/** Headers as Node reports them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

export type Call = {
  headers: Headers;
  /** The model the call asks for; checked against the job's models when given. */
  model?: string;
  /** SHA-256 of the body in base64url; see `demandSameBody`. */
  bodyHash?: string;
  /** Throws when the connection is not that of the gateway which issued the token; asked before the proof is spent. */
  assertForwarder?: (gateway: Address) => void;
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

/** What this provider counted of a call it served; units that are absent are zero. */
export type Count = {
  model: string;
  inputTokens?: bigint;
  cachedInputTokens?: bigint;
  outputTokens?: bigint;
  requests?: bigint;
  durationMs?: bigint;
};

export type VerifierSettings = {
  /** EIP-712 domain of UsageReceipts, of `Deployment.domains(...).usageReceipts`. */
  domain: Wire.Domain;
  providerId: number;
  isGateway: (address: Address) => boolean;
  /** Of `followRevocations`, or of the chain; asked for each call, and no call passes while it is too old. */
  revocations: Revocations;
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
   * own key asked for it. Cheap checks come first, the caller's signature last; a refused call leaves no trace.
   *
   * @throws ProtocolError `invalid_usage_auth`, `usage_auth_expired`, `wrong_job`, `provider_not_allowed`,
   * `model_not_allowed`, `capability_revoked`, `invalid_proof`, `binding_mismatch`, `proof_replayed`, `invalid_request`,
   * and `revocations_unavailable` or `chain_unavailable` while the list of revocations is too old.
   */
  verify: (call: Call) => VerifiedCall;
  /** Signs this provider's own count for a call: the countersignature of its receipt. */
  countersign: (count: { report: UsageReport.UsageReport; privateKey: Hex }) => UsageReport.SignedUsageReport;
  /**
   * The same for a call that `verify` let pass. `UsageReport.toHeader` makes the `x-usage-report` header of it;
   * `POST /v1/usage/emit` takes it as JSON.
   */
  countersignCall: (
    call: Pick<VerifiedCall, "receiptId" | "jobId">,
    count: Count,
    privateKey: Hex,
  ) => UsageReport.SignedUsageReport;
};

const defaultProofAgeSeconds = 300;

/** The check a provider embeds in front of its API, after RFC 8392 (Usage-Auth) and RFC 9449 (the caller's proof). */
export const createVerifier = ({
  domain,
  providerId,
  isGateway,
  revocations,
  now = Date.now,
  publicUrl,
  maxProofAgeSeconds = defaultProofAgeSeconds,
  demandSameBody = false,
}: VerifierSettings): Verifier => {
  const replays = createReplayGuard(maxProofAgeSeconds + Constants.CLOCK_SKEW_SECONDS);
  const verifyToken = UsageAuth.createVerifier(isGateway);
  const gatewayOrigin = publicUrl === undefined ? undefined : new URL(publicUrl).origin;

  const verify = ({ headers, model, bodyHash, assertForwarder }: Call): VerifiedCall => {
    const nowSeconds = Math.floor(now() / 1_000);
    const token = single(headers, Header.usageAuth, "invalid_usage_auth");
    const jwt = single(headers, Header.callerProof, "invalid_proof");
    const receiptId = Wire.parse(Wire.bytes32, single(headers, Header.receiptId, "invalid_request"));
    const jobId = Wire.parse(Wire.bytes32, single(headers, Header.jobId, "invalid_request"));

    const usageAuth = verifyToken(token, nowSeconds);
    if (usageAuth.jobId !== jobId) throw new ProtocolError("wrong_job", { param: Header.jobId });
    if (!usageAuth.providers.includes(providerId)) throw new ProtocolError("provider_not_allowed");
    if (model !== undefined && !usageAuth.models.includes(model)) {
      throw new ProtocolError("model_not_allowed", { param: "model" });
    }
    const { tenant, issuedAt, gateway, holder } = usageAuth;
    assertForwarder?.(gateway);
    revocations.assertFresh(gateway);
    if (revocations.isRevoked(jobId, { tenant, issuedAt })) throw new ProtocolError("capability_revoked");

    const proof = DpopProof.parse(jwt);
    const { claims } = proof;
    // The caller proved itself to the gateway, so method and URL are the gateway's; whoever pays can compare them.
    if (gatewayOrigin !== undefined && new URL(claims.htu).origin !== gatewayOrigin) {
      throw refusal("The proof is for another gateway.", "htu");
    }
    const isFuture = claims.iat > nowSeconds + Constants.CLOCK_SKEW_SECONDS;
    if (isFuture || claims.iat < nowSeconds - maxProofAgeSeconds) {
      throw refusal("The proof is too old, or from the future.", "iat");
    }
    if (proof.holder !== holder) throw refusal("The proof is by another key.", "jwk");
    if (claims.ath !== UsageAuth.hash(token)) throw refusal("The proof is for another token.", "ath");
    if (usageAuth.binding === Capability.BINDING_EXPORTER && claims.ekm === undefined) {
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
    if (demandSameBody && claims.bodyHash !== bodyHash) {
      throw refusal("The proof is for another body.", "bodyHash");
    }
    // A report names this id, so a wrong one would countersign another call, or keep that call from settling.
    if (UsageReceipt.receiptId({ gateway, jobId, claims }) !== receiptId) {
      throw new ProtocolError("invalid_request", {
        detail: "The receipt id is not that of the call the caller signed.",
        param: Header.receiptId,
      });
    }
    if (!DpopProof.isSigned(jwt, proof)) throw refusal("The signature is not valid.");
    if (!replays.admit(proof.proofHash, nowSeconds)) throw new ProtocolError("proof_replayed");
    return { receiptId, jobId, tenant, gateway, usageAuth, proof };
  };

  const countersign: Verifier["countersign"] = ({ report, privateKey }) => {
    if (report.providerId !== providerId) {
      throw new ProtocolError("invalid_request", {
        detail: `The report is for provider ${report.providerId}, not ${providerId}.`,
        param: "providerId",
      });
    }
    return UsageReport.sign(report, domain, privateKey);
  };

  return {
    verify,
    countersign,
    countersignCall: ({ receiptId, jobId }, { model, ...units }, privateKey) =>
      countersign({
        privateKey,
        report: {
          receiptId,
          jobId,
          providerId,
          modelHash: UsageReceipt.modelHash(model),
          ...Pricing.ZERO_UNITS,
          requests: 1n,
          ...units,
        },
      }),
  };
};

const refusal = (detail: string, param?: string): ProtocolError =>
  new ProtocolError("invalid_proof", { detail, ...(param === undefined ? {} : { param }) });

/** A header that is there exactly once; a repeated one would leave open which value counts. */
const single = (headers: Headers, name: string, code: ErrorCode): string => {
  const value = headers[name];
  if (typeof value === "string" && value !== "") return value;
  const detail =
    value === undefined || value === "" ? `The header ${name} is missing.` : `The header ${name} repeats.`;
  throw new ProtocolError(code, { detail, param: name });
};
