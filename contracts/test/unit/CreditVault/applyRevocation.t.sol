// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultApplyRevocationTest is FixtureVault {
    bytes32 private _first;
    bytes32 private _second;

    function setUp() public override {
        super.setUp();
        _deposit(tenant, 10 * USDC);
        _first = _lock("first", CREDIT);
        _second = _lock("second", CREDIT);
    }

    function testFuzz_ApplyRevocation_BringsRevokeAllIntoLocks(address caller) public {
        vm.warp(NOW + 60);
        vm.prank(tenant);
        authority.revokeAll();
        assertEq(vault.lockOf(_first).revokedAt, 0);

        vm.warp(NOW + 120);
        vm.expectEmit(address(vault));
        emit ICreditVault.LockRevoked(_first, NOW + 60);
        vm.expectEmit(address(vault));
        emit ICreditVault.LockRevoked(_second, NOW + 60);
        vm.prank(caller);
        vault.applyRevocation(_both());

        assertEq(vault.lockOf(_first).revokedAt, NOW + 60);
        assertEq(vault.lockOf(_second).revokedAt, NOW + 60);
        assertEq(vault.lockOf(_first).remainingNano, CREDIT);
        assertEq(uint8(vault.lockOf(_first).state), uint8(ICreditVault.LockState.Open));
    }

    function test_ApplyRevocation_KeepsTheFirstMoment() public {
        vm.warp(NOW + 60);
        vm.prank(tenant);
        authority.revokeAll();
        vm.warp(NOW + 120);
        vm.startPrank(tenant);
        authority.revokeAll();
        authority.revoke("first");
        vm.stopPrank();
        assertEq(vault.lockOf(_first).revokedAt, NOW + 60);
    }

    function test_ApplyRevocation_SaysNothingTwice() public {
        vm.prank(tenant);
        authority.revokeAll();
        vault.applyRevocation(_both());
        vm.recordLogs();
        vault.applyRevocation(_both());
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_ApplyRevocation_LeavesUnrevokedLocksAlone() public {
        vm.prank(tenant);
        authority.revoke("first");
        vm.recordLogs();
        vault.applyRevocation(_both());
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(vault.lockOf(_first).revokedAt, NOW);
        assertEq(vault.lockOf(_second).revokedAt, 0);
    }

    function test_ApplyRevocation_SkipsUnknownAndClosedJobs() public {
        _charge(_first, 0, true);
        vm.prank(tenant);
        authority.revokeAll();
        bytes32[] memory jobIds = new bytes32[](3);
        (jobIds[0], jobIds[1], jobIds[2]) = ("unknown", _first, _second);

        vm.recordLogs();
        vault.applyRevocation(jobIds);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1);
        assertEq(logs[0].topics[1], _second);
        assertEq(vault.lockOf(_first).revokedAt, 0);
        assertEq(uint8(vault.lockOf("unknown").state), uint8(ICreditVault.LockState.None));
    }

    function test_ApplyRevocation_WorksWhilePaused() public {
        governor.setPaused(true);
        vm.prank(tenant);
        authority.revoke("first");
        assertEq(vault.lockOf(_first).revokedAt, NOW);
    }

    function _both() private view returns (bytes32[] memory jobIds) {
        jobIds = new bytes32[](2);
        (jobIds[0], jobIds[1]) = (_first, _second);
    }
}
