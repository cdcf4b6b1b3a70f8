// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IUsageReceipts} from "../interfaces/IUsageReceipts.sol";
import {BatchHeader} from "../types/BatchHeader.sol";

/// @notice The hash and the event of a batch.
/// @dev Every member of a header is static, so its calldata is its ABI encoding and its EIP-712 encoding at once, and one
/// copy replaces eleven. That holds only while no member has bits above its type, which `structHash` makes sure of.
library BatchHeaderLib {
    bytes32 internal constant TYPEHASH = keccak256(
        "BatchHeader(uint32 laneId,uint32 keyEpoch,uint64 batchNumber,uint64 windowStart,uint64 windowEnd,bytes32 receiptsRoot,uint32 receiptCount,bytes32 linesHash,uint128 totalNano,bytes32 previousBatchHash,bytes32 sourcesHash)"
    );

    /// @dev Bytes of an encoded header.
    uint256 private constant SIZE = 0x160;

    /// @notice EIP-712 struct hash; the digest also needs the domain of UsageReceipts.
    /// @dev Reverts without a reason, as the compiler's decoder does, where a member exceeds its type.
    function structHash(BatchHeader calldata header) internal pure returns (bytes32 hash) {
        bytes32 typeHash = TYPEHASH;
        assembly ("memory-safe") {
            // laneId, keyEpoch and receiptCount have 32 bits; batchNumber and the window's ends 64; totalNano 128.
            let excess :=
                shr(
                    32,
                    or(
                        or(calldataload(header), calldataload(add(header, 0x20))),
                        calldataload(add(header, 0xc0))
                    )
                )
            let wide := or(calldataload(add(header, 0x40)), calldataload(add(header, 0x60)))
            excess := or(excess, shr(64, or(wide, calldataload(add(header, 0x80)))))
            excess := or(excess, shr(128, calldataload(add(header, 0x100))))
            if excess { revert(0, 0) }

            let encoded := mload(0x40)
            mstore(encoded, typeHash)
            calldatacopy(add(encoded, 0x20), header, SIZE)
            hash := keccak256(encoded, add(SIZE, 0x20))
        }
    }

    /// @dev Only for a header that was hashed, and so checked.
    function hasReceipts(BatchHeader calldata header) internal pure returns (bool has) {
        assembly ("memory-safe") {
            has := gt(calldataload(add(header, 0xc0)), 0)
        }
    }

    /// @notice The members that place a batch in its lane.
    /// @dev Only for a header that was hashed, and so checked: the compiler would check each member at each access.
    function sequence(BatchHeader calldata header)
        internal
        pure
        returns (uint32 keyEpoch, uint64 batchNumber, uint64 windowStart, uint64 windowEnd)
    {
        assembly ("memory-safe") {
            keyEpoch := calldataload(add(header, 0x20))
            batchNumber := calldataload(add(header, 0x40))
            windowStart := calldataload(add(header, 0x60))
            windowEnd := calldataload(add(header, 0x80))
        }
    }

    /// @notice Emits `BatchCommitted`; only for a header that was hashed, and so checked.
    function emitCommitted(BatchHeader calldata header, bytes32 batchHash) internal {
        bytes32 topic = IUsageReceipts.BatchCommitted.selector;
        assembly ("memory-safe") {
            let encoded := mload(0x40)
            calldatacopy(encoded, header, SIZE)
            log4(encoded, SIZE, topic, calldataload(header), calldataload(add(header, 0x40)), batchHash)
        }
    }
}
