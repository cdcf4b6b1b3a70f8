// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {Capability} from "../../../src/types/Capability.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultReleaseTest is FixtureVault {
    uint256 private constant RELEASABLE_AT = NOW + 1 hours + GRACE;

    function setUp() public override {
        super.setUp();
        _deposit(tenant, 10 * USDC);
    }

    function testFuzz_Release_ReturnsTheRestToTheTenant(uint64 spentNano, address caller) public {
        spentNano = uint64(bound(spentNano, 0, CREDIT));
        bytes32 jobId = _lock("job", CREDIT);
        _charge(jobId, spentNano, false);
        vm.warp(RELEASABLE_AT);

        vm.expectEmit(address(vault));
        emit ICreditVault.Released(jobId, tenant, CREDIT - spentNano);
        vm.prank(caller);
        assertEq(vault.release(jobId), CREDIT - spentNano);

        assertEq(vault.balanceOf(tenant), 10 * CREDIT - spentNano);
        ICreditVault.Lock memory closed = vault.lockOf(jobId);
        assertEq(uint8(closed.state), uint8(ICreditVault.LockState.Closed));
        assertEq(closed.remainingNano, 0);
        assertEq(closed.maxSpendNano, CREDIT);
        assertEq(closed.expiresAt, NOW + 1 hours);
        assertEq(closed.validAfter, NOW);
    }

    function test_Release_OfAnEmptyLockClosesIt() public {
        bytes32 jobId = _lock("job", CREDIT);
        _charge(jobId, CREDIT, false);
        vm.warp(RELEASABLE_AT);
        vm.expectEmit(address(vault));
        emit ICreditVault.Released(jobId, tenant, 0);
        assertEq(vault.release(jobId), 0);
        assertEq(uint8(vault.lockOf(jobId).state), uint8(ICreditVault.LockState.Closed));
        assertEq(vault.balanceOf(tenant), 9 * CREDIT);
    }

    function test_Release_ReturnsTheLastNanocredit() public {
        bytes32 jobId = _lock("job", CREDIT);
        _charge(jobId, CREDIT - 1, false);
        vm.warp(RELEASABLE_AT);
        assertEq(vault.release(jobId), 1);
        assertEq(vault.balanceOf(tenant), 9 * CREDIT + 1);
    }

    function test_Release_WorksWhilePaused() public {
        bytes32 jobId = _lock("job", CREDIT);
        vm.warp(RELEASABLE_AT);
        governor.setPaused(true);
        vault.release(jobId);
        assertEq(vault.balanceOf(tenant), 10 * CREDIT);
    }

    function test_Release_CountsFromTheRevocationWhenThatWasEarlier() public {
        bytes32 jobId = _lock("job", CREDIT);
        vm.warp(NOW + 10 minutes);
        vm.prank(tenant);
        authority.revoke("job");

        vm.warp(NOW + 10 minutes + GRACE - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_NotYetReleasable.selector, jobId, NOW + 10 minutes + GRACE
            )
        );
        vault.release(jobId);

        vm.warp(NOW + 10 minutes + GRACE);
        vault.release(jobId);
        assertEq(vault.balanceOf(tenant), 10 * CREDIT);
    }

    function test_Release_CountsFromTheExpiryWhenTheRevocationWasLater() public {
        bytes32 jobId = _lock("job", CREDIT);
        vm.warp(NOW + 2 hours);
        vm.prank(tenant);
        authority.revoke("job");
        vm.warp(RELEASABLE_AT);
        vault.release(jobId);
        assertEq(vault.balanceOf(tenant), 10 * CREDIT);
    }

    function test_Release_OfALockThatNeverEndsIsOpenedByRevoking() public {
        Capability memory capability = _capability("job", CREDIT);
        capability.expiresAt = type(uint40).max;
        vault.lock(capability, _signed(capability));
        vm.prank(tenant);
        authority.revoke("job");
        vm.warp(NOW + GRACE);
        vault.release(capability.jobId);
        assertEq(vault.balanceOf(tenant), 10 * CREDIT);
    }

    function test_RevertWhen_TheJobIsUnknown() public {
        bytes32 jobId = "unknown";
        vm.expectRevert(abi.encodeWithSelector(ICreditVault.CreditVault_UnknownJob.selector, jobId));
        vault.release(jobId);
    }

    function test_RevertWhen_TheLockWasReleased() public {
        bytes32 jobId = _lock("job", CREDIT);
        vm.warp(RELEASABLE_AT);
        vault.release(jobId);
        vm.expectRevert(abi.encodeWithSelector(ICreditVault.CreditVault_LockClosed.selector, jobId));
        vault.release(jobId);
    }

    function test_RevertWhen_TheLockWasClosedByAFinalLine() public {
        bytes32 jobId = _lock("job", CREDIT);
        _charge(jobId, 1, true);
        vm.warp(RELEASABLE_AT);
        vm.expectRevert(abi.encodeWithSelector(ICreditVault.CreditVault_LockClosed.selector, jobId));
        vault.release(jobId);
    }

    function testFuzz_RevertWhen_TheGraceHasNotPassed(uint256 moment, uint256 grace) public {
        grace = bound(grace, 1, 365 days);
        moment = bound(moment, NOW, NOW + 1 hours + grace - 1);
        governor.setParam("graceSeconds", grace);
        bytes32 jobId = _lock("job", CREDIT);
        vm.warp(moment);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_NotYetReleasable.selector, jobId, NOW + 1 hours + grace
            )
        );
        vault.release(jobId);
    }
}
