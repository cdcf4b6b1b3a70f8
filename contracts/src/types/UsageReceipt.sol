// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice One metered call; the leaf of a batch's Merkle tree is the keccak256 of its EIP-712 struct hash.
/// @dev Signed by the gateway under the domain of UsageReceipts. Only hashes of prompts and answers appear.
struct UsageReceipt {
    bytes32 receiptId;
    bytes32 jobId;
    bytes32 capabilityHash;
    address gateway;
    uint32 providerId;
    /// @dev `keccak256(bytes(model))`.
    bytes32 modelHash;
    uint64 inputTokens;
    uint64 cachedInputTokens;
    uint64 outputTokens;
    uint64 requests;
    /// @dev Metered milliseconds; priced per million milliseconds.
    uint64 durationMs;
    uint64 costNano;
    bytes32 tariffHash;
    /// @dev SHA-256 of the request body.
    bytes32 requestHash;
    /// @dev SHA-256 of the response body delivered.
    bytes32 responseHash;
    /// @dev SHA-256 of the signing input of the caller's DPoP proof.
    bytes32 proofHash;
    /// @dev True when the provider signed the same unit counts.
    bool countersigned;
    uint64 occurredAtMs;
}
