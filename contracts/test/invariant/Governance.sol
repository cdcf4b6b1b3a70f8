// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {InvariantTest} from "./InvariantTest.sol";

/// @notice INV-25 to INV-29: what the governor, the guardian and providers may change.
abstract contract GovernanceInvariants is InvariantTest {
    function setUp() public virtual override {
        super.setUp();
        add("INV-25", this.INV25_ParametersStayInsideTheirBounds.selector);
        add("INV-26", this.INV26_NothingEntersWhilePaused.selector);
        add("INV-27", this.INV27_APauseNeverOutlastsItsBound.selector);
        add("INV-28", this.INV28_TheDelayStaysAboveItsFloor.selector);
        add("INV-29", this.INV29_TariffsAreConsecutiveAndNeverChange.selector);
    }

    function INV25_ParametersStayInsideTheirBounds() external view {
        _assertWithin("feeBps", 0, 1000);
        _assertWithin("feeRecipient", 1, type(uint160).max);
        _assertWithin("providerCapNano", 1e9, type(uint64).max);
        _assertWithin("capWindowSeconds", 1 hours, 30 days);
        _assertWithin("graceSeconds", 1 hours, 30 days);
        _assertWithin("minimumBondNano", 0, 1e18);
        _assertWithin("bondDelaySeconds", 0, 90 days);
        _assertWithin("changeDelaySeconds", 0, 30 days);
        _assertWithin("channelExitSeconds", 1 hours, 30 days);
        assertKept("INV-25");
    }

    function INV26_NothingEntersWhilePaused() external view {
        assertKept("INV-26");
    }

    /// @dev At most seven days long, and at least seven days apart: half of the time at the very most.
    function INV27_APauseNeverOutlastsItsBound() external view {
        uint256 until = ledger.pausedUntil();
        assertEq(system.governor.isPaused(), vm.getBlockTimestamp() < until);
        assertLe(until, vm.getBlockTimestamp() + 7 days);
        assertKept("INV-27");
    }

    function INV28_TheDelayStaysAboveItsFloor() external view {
        assertGe(system.governor.getMinDelay(), 1 days);
        assertEq(system.governor.delayFloor(), 1 days);
        assertKept("INV-28");
    }

    function INV29_TariffsAreConsecutiveAndNeverChange() external view {
        for (uint32 id = 1; id <= 3; ++id) {
            bytes32[] memory hashes = store.tariffHashesOf(id);
            assertEq(system.registry.providerOf(id).tariffVersion, hashes.length);
            for (uint32 version = 1; version <= hashes.length; ++version) {
                assertEq(system.registry.tariffHashOf(id, version), hashes[version - 1]);
            }
        }
        assertKept("INV-29");
    }

    /// @dev Shows that the handler can pause and that a pause stops what the invariants say it stops.
    function test_Handlers_Pause() public {
        governance.pause(1 days, false);
        uint256 before = ledger.assetsIn();
        tenants.deposit(0, 0, 5e6);
        assertTrue(system.governor.isPaused());
        assertEq(ledger.assetsIn(), before);
        governance.unpause();
        tenants.deposit(0, 0, 5e6);
        assertGt(ledger.assetsIn(), before);
    }

    function _assertWithin(bytes32 key, uint256 least, uint256 most) private view {
        assertGe(system.governor.param(key), least);
        assertLe(system.governor.param(key), most);
    }
}
