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

    function test_HasTheDocumentedLayout() public pure {
        LockWord word =
            LockLib.open(0x1111111111111111, 0x2222222222, 0x4444444444).withRevokedAt(0x3333333333);
        assertEq(LockWord.unwrap(word), 0x01_4444444444_3333333333_2222222222_1111111111111111);
        assertEq(LockWord.unwrap(word.closed()), 0x02_4444444444_3333333333_2222222222_0000000000000000);
    }

    function testFuzz_Less_ChangesNothingElse(
        uint64 remainingNano,
        uint64 paidNano,
        uint40 expiresAt,
        uint40 revokedAt,
        uint40 validAfter
    ) public pure {
        paidNano = uint64(bound(paidNano, 0, remainingNano));
        LockWord word = LockLib.open(remainingNano, expiresAt, validAfter).withRevokedAt(revokedAt);
        _expect(word.less(paidNano), remainingNano - paidNano, expiresAt, revokedAt, validAfter, LockLib.OPEN);
    }

    function testFuzz_Covers_WhatItHoldsAndNoMore(
        uint64 remainingNano,
        uint256 amountNano,
        uint40 expiresAt,
        uint40 validAfter
    ) public pure {
        LockWord word = LockLib.open(remainingNano, expiresAt, validAfter);
        assertEq(word.covers(amountNano), amountNano <= remainingNano);
        assertTrue(word.covers(remainingNano));
        assertFalse(word.covers(uint256(remainingNano) + 1));
    }

    function testFuzz_Covers_NothingOnceRevokedOrClosed(
        uint64 remainingNano,
        uint40 expiresAt,
        uint40 revokedAt,
        uint40 validAfter
    ) public pure {
        revokedAt = uint40(bound(revokedAt, 1, type(uint40).max));
        LockWord word = LockLib.open(remainingNano, expiresAt, validAfter);
        assertFalse(word.withRevokedAt(revokedAt).covers(0));
        assertFalse(word.closed().covers(0));
        assertFalse(LockWord.wrap(0).covers(0));
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
        assertEq(word.isOpen(), state == LockLib.OPEN, "isOpen");
        assertEq(LockWord.unwrap(word) >> 192, 0, "no stray bits");
    }
}
