// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {LineStatus} from "../../src/types/Line.sol";
import {FixtureVault} from "../utils/FixtureVault.sol";
import {VaultHandler} from "./handlers/VaultHandler.sol";

contract ConservationInvariantTest is FixtureVault {
    VaultHandler private _handler;

    function setUp() public override {
        super.setUp();
        _handler = new VaultHandler(vault, token, asset, authority);
        targetContract(address(_handler));
    }

    /// @dev The reserve backs every token, no more and no less.
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_ReserveEqualsSupply() public view {
        assertEq(asset.balanceOf(address(vault)) * vault.nanoPerAssetUnit(), token.totalSupply());
    }

    /// @dev What is payable is the treasury's free account, and what channels hold is theirs.
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_VaultTokensEqualFreePlusLocked() public view {
        uint256 freeNano = 0;
        for (uint256 i = 0; i < _handler.accountCount(); ++i) {
            freeNano += vault.balanceOf(_handler.accounts(i));
        }
        uint256 lockedNano = 0;
        for (uint256 i = 0; i < _handler.jobCount(); ++i) {
            lockedNano += vault.lockOf(_handler.jobs(i)).remainingNano;
        }
        assertEq(token.balanceOf(address(vault)), freeNano + lockedNano);
    }

    /// @dev A job never spends above its lock, and each nanocredit of it goes to one place.
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_EachLockIsPaidReleasedOrStillThere() public view {
        for (uint256 i = 0; i < _handler.jobCount(); ++i) {
            bytes32 jobId = _handler.jobs(i);
            ICreditVault.Lock memory held = vault.lockOf(jobId);
            uint256 goneNano = _handler.paidOf(jobId) + _handler.releasedOf(jobId);
            assertEq(goneNano + held.remainingNano, held.maxSpendNano);
            if (held.state == ICreditVault.LockState.Closed) assertEq(held.remainingNano, 0);
        }
    }

    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_ARevokedJobPaysForNoLaterWindow() public view {
        assertEq(_handler.paidAfterRevocation(), 0);
    }

    /// @dev The handler alone can reach every outcome of a charge; without this the invariants could hold idly.
    function test_Handler_ReachesTheOutcomesOfACharge() public {
        _handler.deposit(0, 0, 1000e6);
        _handler.lock(0, "a", 100e9, 1 days);
        _handler.lock(0, "b", 1, 1 days);
        _handler.charge([uint256(16), 2, 3, 3], [uint64(1), 1, 2, 1], 0, 0);
        _handler.charge([uint256(2), 2, 3, 1], [uint64(1), 1, 0, 1], 3, 0);
        _handler.lock(0, "c", 5, 1 days);
        _handler.revoke(2);
        _handler.charge([uint256(2), 2, 2, 2], [uint64(1), 1, 1, 1], 0, 0);
        LineStatus[7] memory expected = [
            LineStatus.Paid,
            LineStatus.PaidInPart,
            LineStatus.UnknownJob,
            LineStatus.LockClosed,
            LineStatus.LockExhausted,
            LineStatus.Revoked,
            LineStatus.Revoked
        ];
        for (uint256 i = 0; i < expected.length; ++i) {
            assertGt(_handler.statusCount(expected[i]), 0, vm.toString(uint8(expected[i])));
        }
    }
}
