// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {BatchHeaderLib} from "../../../src/libraries/BatchHeaderLib.sol";
import {BatchHeader} from "../../../src/types/BatchHeader.sol";

contract BatchHeaderLibStructHashTest is Test {
    using BatchHeaderLib for BatchHeader;

    /// @dev Bits of each member, in the order of the struct.
    uint16[11] private _widths = [32, 32, 64, 64, 64, 256, 32, 256, 128, 256, 256];

    function test_WidestMembersHashAsTheCompilerEncodesThem() public view {
        BatchHeader memory header = BatchHeader({
            laneId: type(uint32).max,
            keyEpoch: type(uint32).max,
            batchNumber: type(uint64).max,
            windowStart: type(uint64).max,
            windowEnd: type(uint64).max,
            receiptsRoot: bytes32(type(uint256).max),
            receiptCount: type(uint32).max,
            linesHash: bytes32(type(uint256).max),
            totalNano: type(uint128).max,
            previousBatchHash: bytes32(type(uint256).max),
            sourcesHash: bytes32(type(uint256).max)
        });
        assertEq(this.hash(header), keccak256(abi.encode(BatchHeaderLib.TYPEHASH, header)));
    }

    function test_RevertWhen_AnyBitIsAboveItsMember() public view {
        for (uint256 member = 0; member < _widths.length; ++member) {
            for (uint256 bit = _widths[member]; bit < 256; ++bit) {
                bytes memory call_ = abi.encodePacked(this.hash.selector, new bytes(0x160));
                uint256 at = 0x24 + 0x20 * member;
                assembly ("memory-safe") {
                    mstore(add(call_, at), shl(bit, 1))
                }
                (bool succeeded, bytes memory answer) = address(this).staticcall(call_);
                assertFalse(succeeded);
                assertEq(answer.length, 0);
            }
        }
    }

    function hash(BatchHeader calldata header) external pure returns (bytes32) {
        return header.structHash();
    }
}
