// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {LineLib} from "../../../src/libraries/LineLib.sol";
import {LineOutcome, LineStatus, LineTerms} from "../../../src/types/Line.sol";

contract LineLibTest is Test {
    function testFuzz_PackTerms_ReadsBack(
        uint64 amountNano,
        uint32 receiptCount,
        uint32 providerId,
        bool isFinal
    ) public pure {
        LineTerms terms = LineLib.packTerms(amountNano, receiptCount, providerId, isFinal);
        assertEq(terms.amountNano(), amountNano);
        assertEq(terms.receiptCount(), receiptCount);
        assertEq(terms.providerId(), providerId);
        assertEq(terms.isFinal(), isFinal);
        assertEq(LineTerms.unwrap(terms) >> 129, 0);
    }

    function test_PackTerms_HasTheDocumentedLayout() public pure {
        LineTerms terms = LineLib.packTerms(0x1111111111111111, 0x22222222, 0x33333333, true);
        assertEq(LineTerms.unwrap(terms), 0x1_33333333_22222222_1111111111111111);
    }

    function testFuzz_PackOutcome_ReadsBack(
        uint64 paidNano,
        uint64 feeNano,
        uint64 releasedNano,
        uint32 receiptCount,
        uint8 status
    ) public pure {
        LineStatus expected = LineStatus(bound(status, 0, uint8(type(LineStatus).max)));
        LineOutcome outcome = LineLib.packOutcome(paidNano, feeNano, releasedNano, receiptCount, expected);
        assertEq(outcome.paidNano(), paidNano);
        assertEq(outcome.feeNano(), feeNano);
        assertEq(outcome.releasedNano(), releasedNano);
        assertEq(outcome.receiptCount(), receiptCount);
        assertEq(uint8(outcome.status()), uint8(expected));
        assertEq(LineOutcome.unwrap(outcome) >> 232, 0);
    }

    function test_PackOutcome_HasTheDocumentedLayout() public pure {
        LineOutcome outcome = LineLib.packOutcome(
            0x1111111111111111, 0x2222222222222222, 0x3333333333333333, 0x44444444, LineStatus.Revoked
        );
        assertEq(
            LineOutcome.unwrap(outcome), 0x08_44444444_3333333333333333_2222222222222222_1111111111111111
        );
    }
}
