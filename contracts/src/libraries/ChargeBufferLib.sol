// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../interfaces/ICreditVault.sol";

/// @dev Points at a word with the number of charges, and behind it the calldata of `ICreditVault.charge`, which its
/// answer replaces once it is sent.
type ChargeBuffer is uint256;

/// @dev Points at one result of the answer: paidNano, releasedNano and status, a word each.
type ChargeResult is uint256;

using ChargeBufferLib for ChargeBuffer global;

/// @notice Builds the one call that charges a whole batch, and reads its answer, in one stretch of memory.
/// @dev The compiler's arrays of structs would hold every charge four times (as a struct, as calldata, as returned
/// data, as a struct again): about 1,500 gas more per line. A charge and its result are three words each, so the
/// answer fits where the call was.
library ChargeBufferLib {
    uint256 private constant ENTRY = 0x60;
    /// @dev Where the charges begin, and later their results, behind the number of them and the head of four words.
    uint256 private constant ENTRIES_OFFSET = 0xa0;
    /// @dev Selector, offset of the array, windowStart, length of the array.
    uint256 private constant CALL_HEAD = 0x64;
    /// @dev Offset of the array, length of the array.
    uint256 private constant ANSWER_HEAD = 0x40;

    error ChargeBuffer_UnexpectedAnswer();

    /// @notice Room for `capacity` charges.
    function create(uint256 capacity) internal pure returns (ChargeBuffer buffer) {
        assembly ("memory-safe") {
            buffer := mload(0x40)
            mstore(buffer, 0)
            // The head takes four words, of which the selector fills the last four bytes of the first.
            mstore(0x40, add(buffer, add(ENTRIES_OFFSET, mul(capacity, ENTRY))))
        }
    }

    /// @dev Warning: never more often than the capacity, and `amountNano` must fit 64 bits.
    function push(ChargeBuffer buffer, bytes32 jobId, uint256 amountNano, bool isFinal) internal pure {
        assembly ("memory-safe") {
            let count := mload(buffer)
            let entry := add(add(buffer, ENTRIES_OFFSET), mul(count, ENTRY))
            mstore(entry, jobId)
            mstore(add(entry, 0x20), amountNano)
            mstore(add(entry, 0x40), isFinal)
            mstore(buffer, add(count, 1))
        }
    }

    /// @notice Calls `vault.charge`, and passes its revert on.
    function send(ChargeBuffer buffer, address vault, uint64 windowStart) internal {
        bytes4 selector = ICreditVault.charge.selector;
        bool answered;
        assembly ("memory-safe") {
            let count := mload(buffer)
            let size := mul(count, ENTRY)
            mstore(add(buffer, 0x20), shr(224, selector))
            mstore(add(buffer, 0x40), 0x40)
            mstore(add(buffer, 0x60), and(windowStart, 0xffffffffffffffff))
            mstore(add(buffer, 0x80), count)
            if iszero(call(gas(), vault, 0, add(buffer, 0x3c), add(size, CALL_HEAD), 0, 0)) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
            answered := eq(returndatasize(), add(size, ANSWER_HEAD))
            if answered {
                returndatacopy(add(buffer, 0x60), 0, returndatasize())
                answered := eq(mload(add(buffer, 0x80)), count)
            }
        }
        if (!answered) revert ChargeBuffer_UnexpectedAnswer();
    }

    /// @notice What the vault did with the first charge; only after `send`.
    function firstResult(ChargeBuffer buffer) internal pure returns (ChargeResult) {
        return ChargeResult.wrap(ChargeBuffer.unwrap(buffer) + ENTRIES_OFFSET);
    }
}
