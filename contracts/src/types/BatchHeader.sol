// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice One batch of one lane. Its EIP-712 digest under the domain of UsageReceipts is what the aggregators sign.
struct BatchHeader {
    /// @dev The lane it continues.
    uint32 laneId;
    /// @dev The epoch of the aggregator key that signs.
    uint32 keyEpoch;
    /// @dev Consecutive within a lane, the first is 1.
    uint64 batchNumber;
    /// @dev Unix milliseconds, inclusive; equals the previous batch's `windowEnd`.
    uint64 windowStart;
    /// @dev Unix milliseconds, exclusive.
    uint64 windowEnd;
    /// @dev Root of the Merkle tree of the receipts; zero if there are none.
    bytes32 receiptsRoot;
    /// @dev Leaves of that tree.
    uint32 receiptCount;
    /// @dev `keccak256(abi.encode(lines))`.
    bytes32 linesHash;
    /// @dev Sum of the lines' amounts, in nanocredits.
    uint128 totalNano;
    /// @dev Digest of the lane's previous batch; zero for the first.
    bytes32 previousBatchHash;
    /// @dev Commitment to the event ranges the batch was built from.
    bytes32 sourcesHash;
}
