// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISettlementTreasury} from "../interfaces/ISettlementTreasury.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {Line} from "../types/Line.sol";

/// @dev Points at the calldata of `ISettlementTreasury.settle` in memory, its selector in the last four bytes of the
/// first word: selector | batchHash | totalNano | windowStart | offset of the lines | length | lines.
type SettlementCall is uint256;

using SettlementCallLib for SettlementCall global;

/// @notice Hashes the lines of a batch and hands them to the treasury, from one copy of them in memory.
/// @dev Both members of a Line fill their word, so its calldata already is its encoding: nothing is decoded. A second
/// copy would cost a batch of 1,000 lines 30,000 gas, since memory is priced by its square.
library SettlementCallLib {
    /// @dev Offset of the lines among the four arguments.
    uint256 private constant LINES_OFFSET = 0x80;

    /// @notice Copies the lines to where the call wants them.
    function prepare(Line[] calldata lines) internal pure returns (SettlementCall call_) {
        assembly ("memory-safe") {
            call_ := mload(0x40)
            let size := shl(6, lines.length)
            mstore(add(call_, 0xa0), lines.length)
            calldatacopy(add(call_, 0xc0), lines.offset, size)
            mstore(0x40, add(add(call_, 0xc0), size))
        }
    }

    /// @notice `keccak256(abi.encode(lines))`.
    function linesHash(SettlementCall call_) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            // As the only argument the lines would begin one word behind their offset.
            mstore(add(call_, 0x80), 0x20)
            hash := keccak256(add(call_, 0x80), add(0x40, shl(6, mload(add(call_, 0xa0)))))
        }
    }

    /// @notice Calls `treasury.settle`, and passes its revert on; only for a header that was hashed, and so checked.
    function send(SettlementCall call_, address treasury, bytes32 batchHash, BatchHeader calldata header)
        internal
    {
        bytes4 selector = ISettlementTreasury.settle.selector;
        assembly ("memory-safe") {
            // An address without code would take the call and settle nothing.
            if iszero(extcodesize(treasury)) { revert(0, 0) }
            mstore(call_, shr(224, selector))
            mstore(add(call_, 0x20), batchHash)
            mstore(add(call_, 0x40), calldataload(add(header, 0x100))) // totalNano
            mstore(add(call_, 0x60), calldataload(add(header, 0x60))) // windowStart
            mstore(add(call_, 0x80), LINES_OFFSET)
            let size := add(0xa4, shl(6, mload(add(call_, 0xa0))))
            if iszero(call(gas(), treasury, 0, add(call_, 0x1c), size, 0, 0)) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }
}
