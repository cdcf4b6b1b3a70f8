// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {UsageReceipt} from "../types/UsageReceipt.sol";

/// @notice Hashes of a usage receipt.
library UsageReceiptLib {
    bytes32 internal constant TYPEHASH = keccak256(
        "UsageReceipt(bytes32 receiptId,bytes32 jobId,bytes32 capabilityHash,address gateway,uint32 providerId,bytes32 modelHash,uint64 inputTokens,uint64 cachedInputTokens,uint64 outputTokens,uint64 requests,uint64 durationMs,uint64 costNano,bytes32 tariffHash,bytes32 requestHash,bytes32 responseHash,bytes32 proofHash,bool countersigned,uint64 occurredAtMs)"
    );

    /// @notice EIP-712 struct hash.
    function structHash(UsageReceipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, receipt));
    }

    /// @notice The receipt's leaf in its batch's tree.
    /// @dev The struct hash is hashed again, so that no inner node can pass for a leaf.
    function leafOf(UsageReceipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(bytes.concat(structHash(receipt)));
    }
}
