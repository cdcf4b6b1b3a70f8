// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice What a tenant signs once for a job: it locks a maximum spend and names the one key that may use it.
/// @dev EIP-712 struct under the domain of CapabilityAuthority.
struct Capability {
    /// @dev Owner of the credit; an EOA or an ERC-1271 account.
    address tenant;
    /// @dev `keccak256(abi.encode(tenant, salt))`, so that nobody can occupy the job id of another tenant.
    bytes32 jobId;
    /// @dev EIP-712 digest of the signed quote the tenant accepted.
    bytes32 quoteHash;
    /// @dev The most the job may ever spend, in nanocredits.
    uint64 maxSpendNano;
    /// @dev RFC 7638 SHA-256 thumbprint of the caller's P-256 key.
    bytes32 holder;
    /// @dev 1: proofs are bound to the TLS exporter (RFC 9266). 2: server nonce only, the weaker profile.
    uint8 binding;
    /// @dev True when only calls the provider countersigned may be billed.
    bool countersigned;
    /// @dev Unix seconds; the capability is void before.
    uint64 validAfter;
    /// @dev Unix seconds; the capability is void from then on.
    uint64 expiresAt;
    /// @dev Chosen by the tenant, once per job.
    bytes32 salt;
}

/// @dev Binding profiles of `Capability.binding`.
uint8 constant BINDING_EXPORTER = 1;
uint8 constant BINDING_NONCE = 2;
