import { ChainRevert } from "@tac/kit";
import { type ErrorCode, Errors } from "@tac/protocol";

const codes: Readonly<Record<string, ErrorCode>> = {
  CapabilityAuthority_JobIdMismatch: "invalid_capability",
  CapabilityAuthority_InvalidWindow: "invalid_capability",
  CapabilityAuthority_UnknownBinding: "invalid_capability",
  CapabilityAuthority_ZeroSpend: "invalid_capability",
  CapabilityAuthority_NotYetValid: "capability_not_yet_valid",
  CapabilityAuthority_Expired: "capability_expired",
  CapabilityAuthority_Revoked: "capability_revoked",
  CapabilityAuthority_SignatureExpired: "invalid_signature",
  CapabilityAuthority_InvalidSignature: "invalid_signature",
  CreditVault_InsufficientBalance: "credit_exhausted",
  CreditVault_Paused: "chain_unavailable",
  CreditVault_LockClosed: "job_closed",
};

/** What a refusal of the contracts means to the caller; anything else is returned as it is. */
export function toCapabilityError(error: unknown): unknown {
  if (!(error instanceof ChainRevert)) return error;
  const code = codes[error.errorName];
  if (code === undefined) return error;
  const detail =
    code === "credit_exhausted"
      ? "The tenant's free credit in the vault does not cover the lock."
      : `The chain refused the capability: ${error.errorName}.`;
  return Errors.fromCode(code, { detail, cause: error });
}
