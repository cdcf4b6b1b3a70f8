// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice One metered call; the leaf of a batch's Merkle tree is the keccak256 of its EIP-712 struct hash.
/// @dev Signed by the gateway under the domain of UsageReceipts. Only hashes of prompts and answers appear.
struct UsageReceipt {
    /// @dev Unique for each gateway; one call, one receipt.
    bytes32 receiptId;
    /// @dev The job that pays.
    bytes32 jobId;
    /// @dev EIP-712 digest of the capability under which the call was made.
    bytes32 capabilityHash;
    /// @dev The enrolled address that signed the receipt.
    address gateway;
    /// @dev Who served the call.
    uint32 providerId;
    /// @dev `keccak256(bytes(model))`.
    bytes32 modelHash;
    /// @dev Tokens read and not cached.
    uint64 inputTokens;
    /// @dev Tokens read from the provider's cache.
    uint64 cachedInputTokens;
    /// @dev Tokens delivered.
    uint64 outputTokens;
    /// @dev Requests metered.
    uint64 requests;
    /// @dev Metered milliseconds; priced per million milliseconds.
    uint64 durationMs;
    /// @dev ceil(sum(units * price) / 1,000,000), in nanocredits.
    uint64 costNano;
    /// @dev The tariff that gave the prices.
    bytes32 tariffHash;
    /// @dev SHA-256 of the request body.
    bytes32 requestHash;
    /// @dev SHA-256 of the response body delivered.
    bytes32 responseHash;
    /// @dev SHA-256 of the signing input of the caller's DPoP proof.
    bytes32 proofHash;
    /// @dev True when the provider signed the same unit counts.
    bool countersigned;
    /// @dev Unix milliseconds; inside the window of its batch.
    uint64 occurredAtMs;
}
