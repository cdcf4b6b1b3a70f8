// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ChargeBuffer} from "./ChargeBufferLib.sol";

/// @dev Where the screening of a batch stands: the last line in order, and what its provider may still get. Every member
/// fills a word of memory, in this order: CursorLib relies on it.
struct Cursor {
    uint256 providerId;
    bytes32 jobId;
    bool isActive;
    /// @dev What is left under the provider's cap.
    uint256 roomNano;
    /// @dev What is left of the batch's total.
    uint256 leftNano;
}

/// @notice The short way through the screening.
library CursorLib {
    /// @notice Charges the line at `at` in the calldata if it is the common one: of the provider before it, which is
    /// active, with a higher job id, and within the provider's room and the batch's total. Else changes nothing.
    /// @dev Decides as SettlementTreasury's screening of any line would, without a verdict. In Solidity, of which most
    /// would be copying on the stack, it costs 400 gas more per line.
    function chargePlain(Cursor memory cursor, uint256 at, ChargeBuffer charges)
        internal
        pure
        returns (bool isPlain)
    {
        assembly ("memory-safe") {
            let jobId := calldataload(at)
            let terms := calldataload(add(at, 0x20))
            let amountNano := and(terms, 0xffffffffffffffff)
            let roomNano := mload(add(cursor, 0x60))
            let leftNano := mload(add(cursor, 0x80))
            isPlain := and(
                and(eq(and(shr(96, terms), 0xffffffff), mload(cursor)), mload(add(cursor, 0x40))),
                and(
                    gt(jobId, mload(add(cursor, 0x20))),
                    iszero(or(gt(amountNano, roomNano), gt(amountNano, leftNano)))
                )
            )
            if isPlain {
                mstore(add(cursor, 0x20), jobId)
                mstore(add(cursor, 0x60), sub(roomNano, amountNano))
                mstore(add(cursor, 0x80), sub(leftNano, amountNano))
                // As ChargeBufferLib.push does.
                let count := mload(charges)
                let entry := add(add(charges, 0xa0), mul(count, 0x60))
                mstore(entry, jobId)
                mstore(add(entry, 0x20), amountNano)
                mstore(add(entry, 0x40), and(shr(128, terms), 1))
                mstore(charges, add(count, 1))
            }
        }
    }
}
