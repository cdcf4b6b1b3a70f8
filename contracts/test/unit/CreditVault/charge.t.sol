// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {Capability} from "../../../src/types/Capability.sol";
import {LineStatus} from "../../../src/types/Line.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultChargeTest is FixtureVault {
    /// @dev Of what is revoked now.
    uint64 private constant GRACE_ENDS_MS = NOW_MS + uint64(GRACE) * 1000;

    bytes32 private _job;

    function setUp() public override {
        super.setUp();
        _deposit(tenant, 10 * USDC);
        _job = _lock("job", CREDIT);
    }

    function testFuzz_Charge_PaysTheTreasuryOutOfTheLock(uint64 amountNano) public {
        amountNano = uint64(bound(amountNano, 0, CREDIT));
        _expect(_charge(_job, amountNano, false), amountNano, 0, LineStatus.Paid);
        assertEq(vault.balanceOf(treasury), amountNano);
        assertEq(vault.lockOf(_job).remainingNano, CREDIT - amountNano);
        assertEq(vault.balanceOf(tenant), 9 * CREDIT);
    }

    function testFuzz_Charge_FinalReturnsTheRest(uint64 amountNano) public {
        amountNano = uint64(bound(amountNano, 0, CREDIT));
        _expect(_charge(_job, amountNano, true), amountNano, CREDIT - amountNano, LineStatus.Paid);
        assertEq(vault.balanceOf(treasury), amountNano);
        assertEq(vault.balanceOf(tenant), 10 * CREDIT - amountNano);
        _expectClosed(_job);
    }

    function testFuzz_Charge_NeverPaysAboveTheLock(uint64 amountNano, bool isFinal) public {
        amountNano = uint64(bound(amountNano, CREDIT + 1, type(uint64).max));
        _expect(_charge(_job, amountNano, isFinal), CREDIT, 0, LineStatus.PaidInPart);
        assertEq(vault.balanceOf(treasury), CREDIT);
        assertEq(vault.lockOf(_job).remainingNano, 0);
        ICreditVault.LockState expected =
            isFinal ? ICreditVault.LockState.Closed : ICreditVault.LockState.Open;
        assertEq(uint8(vault.lockOf(_job).state), uint8(expected));
    }

    function test_Charge_OfAnEmptyLockIsExhausted() public {
        _charge(_job, CREDIT, false);
        _expect(_charge(_job, 1, false), 0, 0, LineStatus.LockExhausted);
        assertEq(uint8(vault.lockOf(_job).state), uint8(ICreditVault.LockState.Open));
    }

    function test_Charge_OfNothingFromAnEmptyLockIsPaid() public {
        _charge(_job, CREDIT, false);
        _expect(_charge(_job, 0, false), 0, 0, LineStatus.Paid);
    }

    function test_Charge_FinalClosesAnExhaustedLock() public {
        _charge(_job, CREDIT, false);
        _expect(_charge(_job, 1, true), 0, 0, LineStatus.LockExhausted);
        _expectClosed(_job);
    }

    function test_Charge_OfUnknownJob() public {
        _expect(_charge("unknown", 1, true), 0, 0, LineStatus.UnknownJob);
        assertEq(uint8(vault.lockOf("unknown").state), uint8(ICreditVault.LockState.None));
    }

    function test_Charge_OfClosedLock() public {
        _charge(_job, 0, true);
        _expect(_charge(_job, 1, true), 0, 0, LineStatus.LockClosed);
        assertEq(vault.balanceOf(tenant), 10 * CREDIT);
    }

    function test_Charge_AfterExpiryIsPaidUntilTheRelease() public {
        vm.warp(NOW + 1 hours + GRACE);
        _expect(_charge(_job, 1, false), 1, 0, LineStatus.Paid);
        vault.release(_job);
        _expect(_charge(_job, 1, false), 0, 0, LineStatus.LockClosed);
    }

    function testFuzz_Charge_OfAWindowAfterTheGracePaysNothing(uint64 windowStart, bool isFinal) public {
        windowStart = uint64(bound(windowStart, GRACE_ENDS_MS, type(uint64).max));
        vm.prank(tenant);
        authority.revoke("job");
        uint64 releasedNano = isFinal ? CREDIT : 0;
        _expect(_chargeWindow(_job, 1, isFinal, windowStart), 0, releasedNano, LineStatus.Revoked);
        assertEq(vault.balanceOf(treasury), 0);
        assertEq(vault.balanceOf(tenant), 9 * CREDIT + releasedNano);
        if (isFinal) _expectClosed(_job);
    }

    function testFuzz_Charge_OfAWindowWithinTheGraceIsPaid(uint64 windowStart) public {
        windowStart = uint64(bound(windowStart, 0, GRACE_ENDS_MS - 1));
        vm.prank(tenant);
        authority.revoke("job");
        _expect(_chargeWindow(_job, 1, false, windowStart), 1, 0, LineStatus.Paid);
        assertEq(vault.lockOf(_job).revokedAt, NOW);
    }

    function test_Charge_OfTheWindowThatBeginsAsTheGraceEndsIsTheFirstRefused() public {
        vm.prank(tenant);
        authority.revoke("job");
        _expect(_chargeWindow(_job, 1, false, GRACE_ENDS_MS - 1), 1, 0, LineStatus.Paid);
        _expect(_chargeWindow(_job, 1, false, GRACE_ENDS_MS), 0, 0, LineStatus.Revoked);
        _expect(_chargeWindow(_job, 1, false, GRACE_ENDS_MS - 1), 1, 0, LineStatus.Paid);
    }

    function testFuzz_Charge_OfARevokedLockGoesByTheGraceOfNow(uint256 grace) public {
        grace = bound(grace, 1 hours, 30 days);
        governor.setParam("graceSeconds", grace);
        vm.prank(tenant);
        authority.revoke("job");
        uint64 endsMs = uint64((NOW + grace) * 1000);
        _expect(_chargeWindow(_job, 1, false, endsMs - 1), 1, 0, LineStatus.Paid);
        _expect(_chargeWindow(_job, 1, false, endsMs), 0, 0, LineStatus.Revoked);
    }

    /// @dev A tenant that revokes gets nothing back while what was used before may still have to be paid.
    function testFuzz_Charge_OfAWindowThatIsPaidCannotBeForestalledByARelease(uint256 wait) public {
        wait = bound(wait, 0, GRACE - 1);
        Capability memory capability = _capability("long", CREDIT);
        capability.expiresAt = NOW + 30 days;
        vault.lock(capability, _signed(capability));
        vm.prank(tenant);
        authority.revoke("long");
        vm.warp(NOW + wait);
        bytes32[] memory jobIds = new bytes32[](1);
        jobIds[0] = capability.jobId;
        vault.applyRevocation(jobIds);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_NotYetReleasable.selector, capability.jobId, NOW + GRACE
            )
        );
        vault.release(capability.jobId);
        _expect(_charge(capability.jobId, CREDIT, false), CREDIT, 0, LineStatus.Paid);
    }

    function test_Charge_OfALockThatIsNotRevokedAsksForNoGrace() public {
        vm.expectCall(address(governor), abi.encodeCall(governor.param, ("graceSeconds")), 0);
        _charge(_job, CREDIT + 1, false);
        _charge(_job, 1, true);
    }

    function test_Charge_OfAllThatARevokedLockHoldsIsPaidInFull() public {
        vm.prank(tenant);
        authority.revoke("job");
        _expect(_chargeWindow(_job, CREDIT, false, NOW_MS - 1), CREDIT, 0, LineStatus.Paid);
        _expect(_chargeWindow(_job, 0, false, NOW_MS - 1), 0, 0, LineStatus.Paid);
    }

    /// @dev The answer is written by hand; the treasury refuses one that is longer.
    function testFuzz_Charge_AnswersAsTheCompilerWouldEncode(uint64[5] calldata amounts) public {
        ICreditVault.Charge[] memory charges = new ICreditVault.Charge[](amounts.length);
        ICreditVault.Charged[] memory charged = new ICreditVault.Charged[](amounts.length);
        for (uint256 i = 0; i < amounts.length; ++i) {
            uint64 amountNano = amounts[i] % (CREDIT / 5);
            charges[i] = ICreditVault.Charge(_job, amountNano, false);
            charged[i] = ICreditVault.Charged(amountNano, 0, LineStatus.Paid);
        }
        vm.prank(treasury);
        (bool succeeded, bytes memory answer) =
            address(vault).call(abi.encodeCall(ICreditVault.charge, (charges, NOW_MS)));
        assertTrue(succeeded);
        assertEq(answer, abi.encode(charged));
    }

    function test_Charge_OneBadLineLeavesTheOthersAlone() public {
        bytes32 second = _lock("second", 2 * CREDIT);
        bytes32 revoked = _lock("revoked", CREDIT);
        vm.prank(tenant);
        authority.revoke("revoked");
        ICreditVault.Charge[] memory charges = new ICreditVault.Charge[](6);
        charges[0] = ICreditVault.Charge(_job, 400, false);
        charges[1] = ICreditVault.Charge("unknown", 1, false);
        charges[2] = ICreditVault.Charge(second, 3 * CREDIT, false);
        charges[3] = ICreditVault.Charge(revoked, 1, true);
        charges[4] = ICreditVault.Charge(_job, 100, true);
        charges[5] = ICreditVault.Charge(_job, 100, true);

        vm.prank(treasury);
        ICreditVault.Charged[] memory charged = vault.charge(charges, GRACE_ENDS_MS);

        assertEq(charged.length, 6);
        _expect(charged[0], 400, 0, LineStatus.Paid);
        _expect(charged[1], 0, 0, LineStatus.UnknownJob);
        _expect(charged[2], 2 * CREDIT, 0, LineStatus.PaidInPart);
        _expect(charged[3], 0, CREDIT, LineStatus.Revoked);
        _expect(charged[4], 100, CREDIT - 500, LineStatus.Paid);
        _expect(charged[5], 0, 0, LineStatus.LockClosed);
        assertEq(vault.balanceOf(treasury), 2 * CREDIT + 500);
        assertEq(vault.balanceOf(tenant), 8 * CREDIT - 500);
    }

    function test_Charge_OfNoLinesChangesNothing() public {
        vm.prank(treasury);
        assertEq(vault.charge(new ICreditVault.Charge[](0), 0).length, 0);
        assertEq(vault.balanceOf(treasury), 0);
    }

    function testFuzz_RevertWhen_TheCallerIsNotTheTreasury(address caller) public {
        vm.assume(caller != treasury);
        vm.expectRevert(abi.encodeWithSelector(ICreditVault.CreditVault_NotTreasury.selector, caller));
        vm.prank(caller);
        vault.charge(new ICreditVault.Charge[](0), 0);
    }

    function test_RevertWhen_Paused() public {
        governor.setPaused(true);
        vm.expectRevert(ICreditVault.CreditVault_Paused.selector);
        vm.prank(treasury);
        vault.charge(new ICreditVault.Charge[](0), 0);
    }

    function _expect(
        ICreditVault.Charged memory charged,
        uint64 paidNano,
        uint64 releasedNano,
        LineStatus status
    ) private pure {
        assertEq(charged.paidNano, paidNano, "paidNano");
        assertEq(charged.releasedNano, releasedNano, "releasedNano");
        assertEq(uint8(charged.status), uint8(status), "status");
    }

    function _expectClosed(bytes32 jobId) private view {
        assertEq(uint8(vault.lockOf(jobId).state), uint8(ICreditVault.LockState.Closed));
        assertEq(vault.lockOf(jobId).remainingNano, 0);
    }
}

contract CreditVaultChargeGasTest is FixtureVault {
    uint256 private constant LINES = 100;

    function setUp() public override {
        super.setUp();
        _deposit(tenant, 1000 * USDC);
        for (uint256 i = 0; i < LINES; ++i) {
            _lock(bytes32(i), CREDIT);
        }
        _charge(keccak256(abi.encode(tenant, bytes32(0))), 1, false);
    }

    function test_Charge_SettlesALineCheaply() public {
        ICreditVault.Charge[] memory charges = new ICreditVault.Charge[](LINES);
        for (uint256 i = 0; i < LINES; ++i) {
            charges[i] = ICreditVault.Charge(keccak256(abi.encode(tenant, bytes32(i))), 1000, false);
        }
        vm.prank(treasury);
        vault.charge(charges, NOW_MS);
        assertLt(vm.snapshotGasLastCall("CreditVault", "charge of 100 lines") / LINES, 6000);
    }
}
