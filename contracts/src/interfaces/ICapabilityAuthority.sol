// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Capability} from "../types/Capability.sol";

/// @title ICapabilityAuthority
/// @notice Checks capabilities, remembers their revocations, and enrols the gateways that may issue tokens for them.
/// @dev The EIP-712 domain is ("CapabilityAuthority", "1", chain id, this contract). The capability's type is
/// `Capability(address tenant,bytes32 jobId,bytes32 quoteHash,uint64 maxSpendNano,bytes32 holder,uint8 binding,bool countersigned,uint64 validAfter,uint64 expiresAt,bytes32 salt)`.
/// Signatures are 65 bytes r, s, v of an EOA with low s, or whatever the tenant's ERC-1271 account accepts.
/// @dev Warning: an address with code is asked by ERC-1271 only, so an EOA that delegated to code (EIP-7702) must have
/// delegated to code that answers it.
/// @dev Warning: a signature is no identifier. The same capability can have several valid ones; use its digest.
interface ICapabilityAuthority {
    event CapabilityRevoked(address indexed tenant, bytes32 indexed jobId, uint40 revokedAt);
    /// @dev Every capability of the tenant whose validAfter is at or before `revokedAt` is revoked.
    event AllCapabilitiesRevoked(address indexed tenant, uint40 revokedAt);
    event GatewayEnrolled(address indexed gateway);
    event GatewayRemoved(address indexed gateway, uint40 removedAt);

    error CapabilityAuthority_JobIdMismatch(bytes32 expected, bytes32 actual);
    error CapabilityAuthority_NotYetValid(uint64 validAfter);
    error CapabilityAuthority_Expired(uint64 expiresAt);
    /// @dev Empty, or it ends beyond what 40 bits of Unix seconds hold.
    error CapabilityAuthority_InvalidWindow(uint64 validAfter, uint64 expiresAt);
    error CapabilityAuthority_UnknownBinding(uint8 binding);
    error CapabilityAuthority_ZeroSpend();
    error CapabilityAuthority_Revoked(bytes32 jobId, uint40 revokedAt);
    error CapabilityAuthority_InvalidSignature(address tenant);
    error CapabilityAuthority_SignatureExpired(uint256 deadline);
    error CapabilityAuthority_AlreadyRevoked(bytes32 jobId);
    error CapabilityAuthority_NotGovernor(address caller);
    /// @dev Enrolled now, or in an earlier term: an address serves one term only.
    error CapabilityAuthority_GatewayAlreadyEnrolled(address gateway);
    /// @dev Not enrolled now, or the zero address.
    error CapabilityAuthority_UnknownGateway(address gateway);

    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice The EIP-712 digest the tenant signs. It says nothing about validity.
    function hashCapability(Capability calldata capability) external view returns (bytes32 capabilityHash);

    /// @notice `keccak256(abi.encode(tenant, salt))`.
    function jobIdOf(address tenant, bytes32 salt) external pure returns (bytes32 jobId);

    /// @notice Reverts unless the capability is valid now and signed by its tenant; returns its EIP-712 digest.
    /// @dev Valid now: a known binding, a spend above zero, `validAfter <= now < expiresAt`, the job id of its tenant
    /// and salt, and not revoked. The signature is checked last, so that a worthless capability is cheap to refuse.
    /// @dev Warning: nothing is used up here. That a job is locked once is the vault's doing.
    function verify(Capability calldata capability, bytes calldata signature)
        external
        view
        returns (bytes32 capabilityHash);

    /// @notice The caller revokes its capability with this salt, signed or not yet, for good. The vault's lock learns of
    /// it in the same transaction.
    /// @return jobId The job that can no longer be locked, or whose lock pays for no later batch window.
    function revoke(bytes32 salt) external returns (bytes32 jobId);

    /// @notice As `revoke`, submitted by anyone for a tenant that signed the EIP-712 struct
    /// `Revocation(address tenant,bytes32 salt,uint256 deadline)` under the domain of this contract.
    /// @param deadline Unix seconds, inclusive.
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
    function revokedAt(address tenant, bytes32 jobId, uint64 validAfter) external view returns (uint40);

    /// @notice Governor only. The term begins now.
    /// @dev Warning: a removed gateway never returns under its old address; a new term needs a new key. Two terms of one
    /// key could not be told apart by the receipts it signed in between.
    function enrolGateway(address gateway) external;

    /// @notice Governor only. The term ends now and stays on record.
    function removeGateway(address gateway) external;

    /// @notice True while the gateway's term runs.
    function isGateway(address gateway) external view returns (bool);

    /// @notice (enrolledAt, removedAt) in Unix seconds; zeros when never enrolled or not removed.
    function gatewayTerm(address gateway) external view returns (uint40 enrolledAt, uint40 removedAt);
}
