// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {LaneLib, LaneWord} from "../../../src/libraries/LaneLib.sol";

contract LaneLibTest is Test {
    function testFuzz_ReadsBackWhatItHolds(uint48 windowEnd, uint32 keyEpoch, bytes32 keyHash) public pure {
        vm.assume(keyEpoch != 0);
        LaneWord word = LaneLib.open(windowEnd).withKey(keyEpoch, keyHash);
        assertEq(word.nextBatchNumber(), 1);
        assertEq(word.lastWindowEnd(), windowEnd);
        assertEq(word.keyEpoch(), keyEpoch);
        assertTrue(word.isContinuedBy(1, windowEnd, keyEpoch, keyHash));
    }

    function testFuzz_AdvancingMovesNumberAndWindowAlone(
        uint48 from,
        uint48 to,
        uint32 epoch,
        bytes32 keyHash
    ) public pure {
        vm.assume(epoch != 0);
        LaneWord word = LaneLib.open(from).withKey(epoch, keyHash).advanced(to).advanced(to);
        assertEq(word.nextBatchNumber(), 3);
        assertEq(word.lastWindowEnd(), to);
        assertTrue(word.isContinuedBy(3, to, epoch, keyHash));
    }

    /// @dev Members wider than their fields included: none may run into its neighbour.
    function testFuzz_IsContinuedByExactlyOneHeader(
        uint48 end,
        uint32 epoch,
        bytes32 keyHash,
        uint64 otherNumber,
        uint64 otherStart,
        uint32 otherEpoch
    ) public pure {
        LaneWord word = LaneLib.open(end).withKey(epoch, keyHash);
        bool isSame = otherNumber == 1 && otherStart == end && otherEpoch == epoch && epoch != 0;
        assertEq(word.isContinuedBy(otherNumber, otherStart, otherEpoch, keyHash), isSame);
    }

    function test_WideNumberDoesNotPassForAWindow() public pure {
        LaneWord word = LaneLib.open(5).withKey(1, 0);
        assertFalse(word.isContinuedBy(1 | uint256(5) << 48, 0, 1, 0));
        assertFalse(word.isContinuedBy(1, 5 | uint256(1) << 48, 0, 0));
    }

    function testFuzz_ClosedLaneIsContinuedByNothing(uint64 number, uint64 start, bytes32 keyHash)
        public
        pure
    {
        LaneWord word = LaneWord.wrap(0);
        assertFalse(word.isContinuedBy(number, start, 0, keyHash));
        assertFalse(word.isContinuedBy(0, 0, 0, 0));
    }

    function testFuzz_RefusesAnotherKey(bytes32 keyHash, bytes32 other) public pure {
        vm.assume(bytes16(keyHash) != bytes16(other));
        assertFalse(LaneLib.open(7).withKey(1, keyHash).isContinuedBy(1, 7, 1, other));
    }
}
