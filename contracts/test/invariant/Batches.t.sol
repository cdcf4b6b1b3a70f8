// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SystemTest} from "../utils/SystemTest.sol";
import {BatchHandler} from "./handlers/BatchHandler.sol";

/// @dev Every call verifies a pairing, so the fast profile runs a short campaign.
/// forge-config: default.invariant.runs = 8
contract BatchesInvariantTest is SystemTest {
    uint32 private constant PROVIDERS = 3;

    BatchHandler private _handler;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < PROVIDERS; ++i) {
            addProvider(address(this));
        }
        _handler = new BatchHandler(system, lockJobs(24, 20e9), PROVIDERS, AGGREGATOR_SECRET);
        targetContract(address(_handler));
    }

    /// @dev Windows of a lane adjoin and never overlap; batch numbers are consecutive.
    function invariant_WindowsOfALaneNeverOverlap() public view {
        uint64 windowEnd = uint64(START * 1000);
        for (uint256 i = 0; i < _handler.windowsLength(); ++i) {
            BatchHandler.Window memory window = _handler.windowAt(i);
            assertEq(window.batchNumber, i + 1);
            assertEq(window.windowStart, windowEnd);
            assertGt(window.windowEnd, window.windowStart);
            windowEnd = window.windowEnd;
        }
        assertEq(system.receipts.laneOf(0).lastWindowEnd, windowEnd);
        assertEq(_handler.acceptedForgeries(), 0);
    }

    /// @dev What lines paid is what providers and fees were credited, kept or already withdrawn, and the vault has it.
    function invariant_LinePayoutsEqualCreditsAndFees() public view {
        uint256 payableNano = system.treasury.feesPayable();
        for (uint32 providerId = 1; providerId <= PROVIDERS; ++providerId) {
            payableNano += system.treasury.payableOf(providerId);
        }
        assertEq(payableNano + _handler.withdrawnNano(), _handler.linePaidNano());
        assertEq(system.vault.balanceOf(address(system.treasury)), payableNano);
        assertLe(_handler.lineFeeNano(), _handler.linePaidNano() / 10);
    }

    function invariant_NoBatchPaysAboveItsTotal() public view {
        assertEq(_handler.batchesAboveTotal(), 0);
    }

    function invariant_NoProviderIsPaidAboveItsCap() public view {
        assertEq(_handler.providersAboveCap(), 0);
    }

    /// @dev Shows that the handler can settle at all: without it the invariants above would hold of nothing.
    function test_HandlerSettles() public {
        _handler.submit({seed: 2, lineCount: 8, totalNano: type(uint256).max, windowSeconds: 60});
        assertEq(_handler.windowsLength(), 1);
        assertGt(_handler.linePaidNano(), 0);
    }
}
