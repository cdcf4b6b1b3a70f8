// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Capability} from "../types/Capability.sol";

interface ICapabilityAuthority {
    event CapabilityRevoked(address indexed tenant, bytes32 indexed jobId, uint40 revokedAt);
    /// @dev Every capability of the tenant whose validAfter is at or before `revokedAt` is revoked.
    event AllCapabilitiesRevoked(address indexed tenant, uint40 revokedAt);
    event GatewayEnrolled(address indexed gateway);
    event GatewayRemoved(address indexed gateway, uint40 removedAt);

    error CapabilityAuthority_JobIdMismatch(bytes32 expected, bytes32 actual);
    error CapabilityAuthority_NotYetValid(uint64 validAfter);
    error CapabilityAuthority_Expired(uint64 expiresAt);
    error CapabilityAuthority_InvalidWindow(uint64 validAfter, uint64 expiresAt);
    error CapabilityAuthority_UnknownBinding(uint8 binding);
    error CapabilityAuthority_ZeroSpend();
    error CapabilityAuthority_Revoked(bytes32 jobId, uint40 revokedAt);
    error CapabilityAuthority_InvalidSignature(address tenant);
    error CapabilityAuthority_SignatureExpired(uint256 deadline);
    error CapabilityAuthority_AlreadyRevoked(bytes32 jobId);
    error CapabilityAuthority_NotGovernor(address caller);
    error CapabilityAuthority_GatewayAlreadyEnrolled(address gateway);
    error CapabilityAuthority_UnknownGateway(address gateway);

    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function hashCapability(Capability calldata capability) external view returns (bytes32 capabilityHash);
    function jobIdOf(address tenant, bytes32 salt) external pure returns (bytes32 jobId);
    /// @notice Reverts unless the capability is valid now and signed by its tenant; returns its EIP-712 digest.
    function verify(Capability calldata capability, bytes calldata signature)
        external
        view
        returns (bytes32 capabilityHash);
    function revoke(bytes32 salt) external returns (bytes32 jobId);
    /// @dev EIP-712 `Revocation(address tenant,bytes32 salt,uint256 deadline)`.
    function revokeWithSignature(address tenant, bytes32 salt, uint256 deadline, bytes calldata signature)
        external
        returns (bytes32 jobId);
    function revokeAll() external;
    /// @notice Unix seconds since when the capability is revoked; zero while it is not.
    function revokedAt(address tenant, bytes32 jobId, uint64 validAfter) external view returns (uint40);

    function enrolGateway(address gateway) external;
    function removeGateway(address gateway) external;
    function isGateway(address gateway) external view returns (bool);
    /// @notice (enrolledAt, removedAt) in Unix seconds; zeros when never enrolled or not removed.
    function gatewayTerm(address gateway) external view returns (uint40 enrolledAt, uint40 removedAt);
}
