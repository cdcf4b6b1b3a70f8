// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BatchHeader} from "../types/BatchHeader.sol";

/// @notice Hashes of a batch.
library BatchHeaderLib {
    bytes32 internal constant TYPEHASH = keccak256(
        "BatchHeader(uint32 laneId,uint32 keyEpoch,uint64 batchNumber,uint64 windowStart,uint64 windowEnd,bytes32 receiptsRoot,uint32 receiptCount,bytes32 linesHash,uint128 totalNano,bytes32 previousBatchHash,bytes32 sourcesHash)"
    );

    /// @notice EIP-712 struct hash; the digest also needs the domain of UsageReceipts.
    function structHash(BatchHeader calldata header) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, header));
    }
}
