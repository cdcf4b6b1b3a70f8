// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {LockLib, LockWord} from "../../../src/libraries/LockLib.sol";

contract LockLibTest is Test {
    function testFuzz_Open_ReadsBack(uint64 remainingNano, uint40 expiresAt, uint40 validAfter) public pure {
        _expect(
            LockLib.open(remainingNano, expiresAt, validAfter),
            remainingNano,
            expiresAt,
            0,
            validAfter,
            LockLib.OPEN
        );
    }

    function testFuzz_WithRemaining_ChangesNothingElse(
        uint64 remainingNano,
        uint40 expiresAt,
        uint40 revokedAt,
        uint40 validAfter
    ) public pure {
        LockWord word = LockLib.open(~remainingNano, expiresAt, validAfter).withRevokedAt(revokedAt);
        _expect(
            word.withRemaining(remainingNano), remainingNano, expiresAt, revokedAt, validAfter, LockLib.OPEN
        );
    }

    function testFuzz_WithRevokedAt_ChangesNothingElse(
        uint64 remainingNano,
        uint40 expiresAt,
        uint40 revokedAt,
        uint40 validAfter
    ) public pure {
        LockWord word = LockLib.open(remainingNano, expiresAt, validAfter).withRevokedAt(~revokedAt);
        _expect(word.withRevokedAt(revokedAt), remainingNano, expiresAt, revokedAt, validAfter, LockLib.OPEN);
    }

    function testFuzz_Closed_IsEmptyAndKeepsItsTimes(
        uint64 remainingNano,
        uint40 expiresAt,
        uint40 revokedAt,
        uint40 validAfter
    ) public pure {
        LockWord word = LockLib.open(remainingNano, expiresAt, validAfter).withRevokedAt(revokedAt);
        _expect(word.closed(), 0, expiresAt, revokedAt, validAfter, LockLib.CLOSED);
    }

    function test_State_OfAnUntouchedSlotIsNone() public pure {
        assertEq(LockWord.wrap(0).state(), LockLib.NONE);
    }

    function _expect(
        LockWord word,
        uint64 remainingNano,
        uint40 expiresAt,
        uint40 revokedAt,
        uint40 validAfter,
        uint8 state
    ) private pure {
        assertEq(word.remainingNano(), remainingNano, "remainingNano");
        assertEq(word.expiresAt(), expiresAt, "expiresAt");
        assertEq(word.revokedAt(), revokedAt, "revokedAt");
        assertEq(word.validAfter(), validAfter, "validAfter");
        assertEq(word.state(), state, "state");
        assertEq(LockWord.unwrap(word) >> 192, 0, "no stray bits");
    }
}
