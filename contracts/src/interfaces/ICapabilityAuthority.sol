// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Capability} from "../types/Capability.sol";

/// @title ICapabilityAuthority
/// @notice Checks capabilities, remembers their revocations, and enrols the gateways that may issue tokens for them.
///
/// Assumptions:
/// - `block.timestamp` never goes back and is right to a few seconds: all dates are Unix seconds compared with it;
/// - the governor enrols only gateways whose key it knows to be held; a gateway can issue tokens, and bill no call that
///   its caller did not sign;
/// - the vault's `applyRevocation` reverts for no job, so that nothing can stop a revocation;
/// - a tenant with code answers ERC-1271 the same way for as long as its capability is to be used.
/// @dev The EIP-712 domain is ("CapabilityAuthority", "1", chain id, this contract). The capability's type is
/// `Capability(address tenant,bytes32 jobId,bytes32 quoteHash,uint64 maxSpendNano,bytes32 holder,uint8 binding,bool countersigned,uint64 validAfter,uint64 expiresAt,bytes32 salt)`.
/// Signatures are 65 bytes r, s, v of an EOA with low s, or whatever the tenant's ERC-1271 account accepts.
/// @dev Warning: an address with code is asked by ERC-1271 only, so an EOA that delegated to code (EIP-7702) must have
/// delegated to code that answers it.
/// @dev Warning: a signature is no identifier. The same capability can have several valid ones; use its digest.
interface ICapabilityAuthority {
    /// @notice One capability is void from now on.
    /// @param tenant The account that owns the credit.
    /// @param jobId The job.
    /// @param revokedAt Unix seconds; now.
    event CapabilityRevoked(address indexed tenant, bytes32 indexed jobId, uint40 revokedAt);
    /// @notice Every capability of the tenant whose validAfter is at or before `revokedAt` is revoked.
    /// @param tenant The account that owns the credit.
    /// @param revokedAt Unix seconds; now.
    event AllCapabilitiesRevoked(address indexed tenant, uint40 revokedAt);
    /// @notice The gateway's term begins.
    /// @param gateway The address of the gateway's signing key.
    event GatewayEnrolled(address indexed gateway);
    /// @notice The gateway's term ends.
    /// @param gateway The address of the gateway's signing key.
    /// @param removedAt Unix seconds; now.
    event GatewayRemoved(address indexed gateway, uint40 removedAt);

    /// @notice The job id does not follow from tenant and salt.
    /// @param expected `jobIdOf(tenant, salt)`.
    /// @param actual The job id in the capability.
    error CapabilityAuthority_JobIdMismatch(bytes32 expected, bytes32 actual);
    /// @notice It is used too early.
    /// @param validAfter Unix seconds.
    error CapabilityAuthority_NotYetValid(uint64 validAfter);
    /// @notice It is used too late.
    /// @param expiresAt Unix seconds.
    error CapabilityAuthority_Expired(uint64 expiresAt);
    /// @notice Empty, or it ends beyond what 40 bits of Unix seconds hold.
    /// @param validAfter Unix seconds.
    /// @param expiresAt Unix seconds.
    error CapabilityAuthority_InvalidWindow(uint64 validAfter, uint64 expiresAt);
    /// @notice Neither BINDING_EXPORTER nor BINDING_NONCE.
    /// @param binding The profile in the capability.
    error CapabilityAuthority_UnknownBinding(uint8 binding);
    /// @notice It would lock nothing.
    error CapabilityAuthority_ZeroSpend();
    /// @notice It was revoked, alone or with all of the tenant's.
    /// @param jobId The job.
    /// @param revokedAt Unix seconds since when.
    error CapabilityAuthority_Revoked(bytes32 jobId, uint40 revokedAt);
    /// @notice The signature is not the tenant's on this digest.
    /// @param tenant The account that owns the credit.
    error CapabilityAuthority_InvalidSignature(address tenant);
    /// @notice The signed revocation is submitted too late.
    /// @param deadline Unix seconds, inclusive.
    error CapabilityAuthority_SignatureExpired(uint256 deadline);
    /// @notice This capability was revoked on its own before.
    /// @param jobId The job.
    error CapabilityAuthority_AlreadyRevoked(bytes32 jobId);
    /// @notice Only the governor enrols and removes gateways.
    /// @param caller Who called.
    error CapabilityAuthority_NotGovernor(address caller);
    /// @notice Enrolled now, or in an earlier term: an address serves one term only.
    /// @param gateway The address of the gateway's signing key.
    error CapabilityAuthority_GatewayAlreadyEnrolled(address gateway);
    /// @notice Not enrolled now, or the zero address.
    /// @param gateway The address of the gateway's signing key.
    error CapabilityAuthority_UnknownGateway(address gateway);

    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice The EIP-712 digest the tenant signs. It says nothing about validity.
    /// @param capability Any capability, valid or not.
    /// @return capabilityHash The digest.
    function hashCapability(Capability calldata capability) external view returns (bytes32 capabilityHash);

    /// @notice `keccak256(abi.encode(tenant, salt))`.
    /// @param tenant The account that owns the credit.
    /// @param salt Chosen by the tenant, once per job.
    /// @return jobId The job id that nobody but this tenant can sign for.
    function jobIdOf(address tenant, bytes32 salt) external pure returns (bytes32 jobId);

    /// @notice Reverts unless the capability is valid now and signed by its tenant; returns its EIP-712 digest.
    /// @dev Valid now: a known binding, a spend above zero, `validAfter <= now < expiresAt`, the job id of its tenant
    /// and salt, and not revoked. The signature is checked last, so that a worthless capability is cheap to refuse.
    /// @dev Warning: nothing is used up here. That a job is locked once is the vault's doing.
    /// @param capability What the tenant signed.
    /// @param signature The tenant's, on the capability's digest.
    /// @return capabilityHash The digest.
    function verify(Capability calldata capability, bytes calldata signature)
        external
        view
        returns (bytes32 capabilityHash);

    /// @notice The caller revokes its capability with this salt, signed or not yet, for good. The vault's lock learns of
    /// it in the same transaction.
    /// @param salt The capability's salt, from which its job id follows.
    /// @return jobId The job that can no longer be locked, or whose lock pays for no batch window after the grace.
    function revoke(bytes32 salt) external returns (bytes32 jobId);

    /// @notice As `revoke`, submitted by anyone for a tenant that signed the EIP-712 struct
    /// `Revocation(address tenant,bytes32 salt,uint256 deadline)` under the domain of this contract.
    /// @param tenant Who signed.
    /// @param salt The capability's salt, from which its job id follows.
    /// @param deadline Unix seconds, inclusive.
    /// @param signature The tenant's, on the digest of the revocation.
    /// @return jobId As for `revoke`.
    function revokeWithSignature(address tenant, bytes32 salt, uint256 deadline, bytes calldata signature)
        external
        returns (bytes32 jobId);

    /// @notice The caller revokes every capability of its own whose validAfter is now or earlier.
    /// @dev Warning: the vault is not told, for this contract knows no list of jobs. Whoever wants open locks to stop
    /// paying calls `ICreditVault.applyRevocation` with their job ids; the date that counts is the one recorded here.
    /// @dev Warning: a capability signed before with a validAfter still to come is not covered; revoke it by its salt.
    function revokeAll() external;

    /// @notice Unix seconds since when the capability is revoked; zero while it is not.
    /// @dev The earlier of its own revocation and the first `revokeAll` at or after `validAfter`. Once set it never
    /// changes. Takes the parts of a capability, not its hash, and does not check that they belong together.
    /// @param tenant The account that owns the credit.
    /// @param jobId The job.
    /// @param validAfter The capability's, in Unix seconds.
    function revokedAt(address tenant, bytes32 jobId, uint64 validAfter) external view returns (uint40);

    /// @notice Governor only. The term begins now.
    /// @dev Warning: a removed gateway never returns under its old address; a new term needs a new key. Two terms of one
    /// key could not be told apart by the receipts it signed in between.
    /// @param gateway The address of the gateway's signing key.
    function enrolGateway(address gateway) external;

    /// @notice Governor only. The term ends now and stays on record.
    /// @param gateway The address of the gateway's signing key.
    function removeGateway(address gateway) external;

    /// @notice True while the gateway's term runs.
    /// @param gateway Any address.
    function isGateway(address gateway) external view returns (bool);

    /// @notice (enrolledAt, removedAt) in Unix seconds; zeros when never enrolled or not removed.
    /// @param gateway Any address.
    /// @return enrolledAt Unix seconds; zero when never enrolled.
    /// @return removedAt Unix seconds; zero while it serves.
    function gatewayTerm(address gateway) external view returns (uint40 enrolledAt, uint40 removedAt);
}
