// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {ISettlementTreasury} from "../../../src/interfaces/ISettlementTreasury.sol";
import {LineLib} from "../../../src/libraries/LineLib.sol";
import {Line, LineOutcome, LineStatus} from "../../../src/types/Line.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract SettleTest is SystemTest {
    using LineLib for LineOutcome;

    bytes32 private constant BATCH = keccak256("batch");
    uint64 private constant LOCK_NANO = 1_000_000;

    bytes32 private _a;
    bytes32 private _b;
    uint32 private _first;
    uint32 private _second;

    function setUp() public override {
        super.setUp();
        bytes32[] memory jobIds = lockJobs(2, LOCK_NANO);
        (_a, _b) = (jobIds[0], jobIds[1]);
        _first = addProvider(address(this));
        _second = addProvider(address(this));
    }

    function test_PaysEveryLineItsDue() public {
        LineOutcome[] memory outcomes = _settle(
            350_000,
            _lines(
                line(_a, _first, 100_000, false),
                line(_b, _first, 50_000, true),
                line(_a, _second, 200_000, false)
            )
        );
        _assertOutcome(outcomes[0], 100_000, 1000, 0, LineStatus.Paid);
        _assertOutcome(outcomes[1], 50_000, 500, 950_000, LineStatus.Paid);
        _assertOutcome(outcomes[2], 200_000, 2000, 0, LineStatus.Paid);
        assertEq(outcomes[0].receiptCount(), 1);
        assertEq(system.treasury.payableOf(_first), 148_500);
        assertEq(system.treasury.payableOf(_second), 198_000);
        assertEq(system.treasury.feesPayable(), 3500);
        assertEq(system.vault.balanceOf(address(system.treasury)), 350_000);
        assertEq(system.vault.balanceOf(tenant), 950_000);
    }

    function test_EmitsBatchSettled() public {
        vm.prank(address(system.receipts));
        vm.expectEmit(address(system.treasury));
        emit ISettlementTreasury.BatchSettled(BATCH, 1000, 10, 999_000);
        system.treasury.settle(BATCH, 1000, _now(), _lines(line(_a, _first, 1000, true)));
    }

    function test_BatchSettledSumsEveryLine() public {
        vm.prank(address(system.receipts));
        vm.expectEmit(address(system.treasury));
        emit ISettlementTreasury.BatchSettled(BATCH, 3000, 30, 1_997_000);
        system.treasury
            .settle(BATCH, 3000, _now(), _lines(line(_a, _first, 1000, true), line(_b, _first, 2000, true)));
    }

    function test_CreditsOfSeveralBatchesAddUp() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _settle(200, _lines(line(_a, _first, 100, false), line(_b, _second, 100, false)));
            assertEq(system.treasury.payableOf(_first), 99 * i);
            assertEq(system.treasury.payableOf(_second), 99 * i);
            assertEq(system.treasury.feesPayable(), 2 * i);
        }
    }

    /// @dev Stores are most of what a settlement costs.
    function test_CreditsAProviderOnceABatch() public {
        _settle(1000, _lines(line(_a, _first, 1000, false)));
        vm.record();
        _settle(1000, _lines(line(_a, _first, 1000, false)));
        (, bytes32[] memory ofOneLine) = vm.accesses(address(system.treasury));
        vm.record();
        _settle(2000, _lines(line(_a, _first, 1000, false), line(_b, _first, 1000, false)));
        (, bytes32[] memory ofTwoLines) = vm.accesses(address(system.treasury));
        assertEq(ofTwoLines, ofOneLine);
    }

    function test_BatchThatPaysNothingStoresNothing() public {
        _settle(1000, _lines(line(_a, _first, 1000, false)));
        skip(1 days);
        vm.record();
        _settle(1000, _lines(line("unknown", _first, 1000, false)));
        (, bytes32[] memory written) = vm.accesses(address(system.treasury));
        assertEq(written.length, 0);
        (uint64 paidNano, uint32 windowIndex) = system.treasury.paidInWindow(_first);
        assertEq(paidNano, 1000);
        assertEq(windowIndex, block.timestamp / 1 days - 1);
    }

    function test_BatchWithoutLinesSettlesNothing() public {
        vm.expectEmit(address(system.treasury));
        emit ISettlementTreasury.BatchSettled(BATCH, 0, 0, 0);
        assertEq(_settle(1000, new Line[](0)).length, 0);
        assertEq(system.vault.balanceOf(address(system.treasury)), 0);
    }

    function test_BatchWithoutLinesAsksNothingOfTheVault() public {
        vm.expectCall(address(system.vault), abi.encodeWithSelector(ICreditVault.charge.selector), 0);
        _settle(1000, new Line[](0));
    }

    function test_EventOfALineIsOneWord() public {
        vm.recordLogs();
        vm.prank(address(system.receipts));
        system.treasury.settle(BATCH, 1000, _now(), _lines(line(_a, _first, 1000, false)));
        assertEq(vm.getRecordedLogs()[0].data.length, 32);
    }

    function testFuzz_FeeIsFlooredPerLine(uint64 amountNano, uint16 feeBps) public {
        amountNano = uint64(bound(amountNano, 0, LOCK_NANO));
        feeBps = uint16(bound(feeBps, 0, 1000));
        setParam("feeBps", feeBps);
        _settle(amountNano, _lines(line(_a, _first, amountNano, false)));
        uint256 feeNano = uint256(amountNano) * feeBps / 10_000;
        assertEq(system.treasury.feesPayable(), feeNano);
        assertEq(system.treasury.payableOf(_first), amountNano - feeNano);
    }

    function test_LineAboveTheLockIsPaidInPart() public {
        LineOutcome[] memory outcomes = _settle(LOCK_NANO + 1, _lines(line(_a, _first, LOCK_NANO + 1, false)));
        _assertOutcome(outcomes[0], LOCK_NANO, LOCK_NANO / 100, 0, LineStatus.PaidInPart);
    }

    function test_UnknownJobPaysNothingAndStopsNobody() public {
        bytes32 unknown = bytes32(uint256(_a) - 1);
        LineOutcome[] memory outcomes =
            _settle(2000, _lines(line(unknown, _first, 1000, false), line(_a, _first, 1000, false)));
        _assertOutcome(outcomes[0], 0, 0, 0, LineStatus.UnknownJob);
        _assertOutcome(outcomes[1], 1000, 10, 0, LineStatus.Paid);
    }

    function test_ClosedAndExhaustedLocks() public {
        _settle(LOCK_NANO + 1, _lines(line(_a, _first, LOCK_NANO, false), line(_b, _first, 1, true)));
        LineOutcome[] memory outcomes =
            _settle(2, _lines(line(_a, _first, 1, false), line(_b, _first, 1, false)));
        _assertOutcome(outcomes[0], 0, 0, 0, LineStatus.LockExhausted);
        _assertOutcome(outcomes[1], 0, 0, 0, LineStatus.LockClosed);
    }

    function test_RevokedCapabilityPaysUntilTheGraceHasPassed() public {
        vm.prank(tenant);
        system.authority.revoke(bytes32(uint256(1)));
        bytes32 revoked = system.authority.jobIdOf(tenant, bytes32(uint256(1)));
        skip(1 days - 1);
        LineOutcome[] memory outcomes = _settle(1000, _lines(line(revoked, _first, 1000, false)));
        _assertOutcome(outcomes[0], 1000, 10, 0, LineStatus.Paid);
        skip(1);
        outcomes = _settle(1000, _lines(line(revoked, _first, 1000, false)));
        _assertOutcome(outcomes[0], 0, 0, 0, LineStatus.Revoked);
    }

    function test_DuplicateOrUnorderedLineIsSkippedWholly() public {
        LineOutcome[] memory outcomes = _settle(
            5000,
            _lines(
                line(_b, _second, 1000, false),
                line(_b, _second, 1000, true),
                line(_a, _second, 1000, true),
                line(_b, _first, 1000, true)
            )
        );
        _assertOutcome(outcomes[0], 1000, 10, 0, LineStatus.Paid);
        for (uint256 i = 1; i < 4; ++i) {
            _assertOutcome(outcomes[i], 0, 0, 0, LineStatus.NotAscending);
        }
        assertEq(system.treasury.payableOf(_first), 0);
        assertEq(system.vault.lockOf(_b).remainingNano, LOCK_NANO - 1000);
    }

    function test_LineAfterAnUnorderedOneIsStillComparedWithTheHighest() public {
        LineOutcome[] memory outcomes = _settle(
            3000,
            _lines(
                line(_a, _second, 1000, false), line(_a, _first, 1000, false), line(_b, _first, 1000, false)
            )
        );
        assertEq(uint8(outcomes[1].status()), uint8(LineStatus.NotAscending));
        assertEq(uint8(outcomes[2].status()), uint8(LineStatus.NotAscending));
    }

    function test_LineAboveTheBatchTotalLeavesItsLockAlone() public {
        LineOutcome[] memory outcomes = _settle(
            1500,
            _lines(line(_a, _first, 1000, false), line(_b, _first, 501, true), line(_b, _second, 500, false))
        );
        _assertOutcome(outcomes[1], 0, 0, 0, LineStatus.OverBatchTotal);
        _assertOutcome(outcomes[2], 500, 5, 0, LineStatus.Paid);
        assertEq(system.vault.lockOf(_b).remainingNano, LOCK_NANO - 500);
    }

    function test_InactiveProviderPaysNothingButFinalReleases() public {
        vm.prank(address(system.governor));
        system.registry.suspend(_first);
        LineOutcome[] memory outcomes = _settle(
            3000,
            _lines(
                line(_a, _first, 1000, true), line(_b, _first, 1000, false), line(_b, _second, 1000, false)
            )
        );
        _assertOutcome(outcomes[0], 0, 0, LOCK_NANO, LineStatus.ProviderInactive);
        _assertOutcome(outcomes[1], 0, 0, 0, LineStatus.ProviderInactive);
        _assertOutcome(outcomes[2], 1000, 10, 0, LineStatus.Paid);
    }

    function test_UnregisteredProviderIsInactive() public {
        LineOutcome[] memory outcomes =
            _settle(2000, _lines(line(_a, 0, 1000, false), line(_a, 99, 1000, false)));
        _assertOutcome(outcomes[0], 0, 0, 0, LineStatus.ProviderInactive);
        _assertOutcome(outcomes[1], 0, 0, 0, LineStatus.ProviderInactive);
    }

    function test_CapBoundsAProviderWithinItsWindow() public {
        setParam("providerCapNano", 1e9);
        bytes32 big = lockJob("big", 3e9);
        LineOutcome[] memory outcomes = _settle(6e8, _lines(line(big, _first, 6e8, false)));
        _assertOutcome(outcomes[0], 6e8, 6e6, 0, LineStatus.Paid);
        outcomes = _settle(6e8, _lines(line(big, _first, 6e8, false)));
        _assertOutcome(outcomes[0], 4e8, 4e6, 0, LineStatus.PaidInPart);
        outcomes = _settle(1, _lines(line(big, _first, 1, false)));
        _assertOutcome(outcomes[0], 0, 0, 0, LineStatus.ProviderCapReached);
        (uint64 paidNano, uint32 windowIndex) = system.treasury.paidInWindow(_first);
        assertEq(paidNano, 1e9);
        assertEq(windowIndex, block.timestamp / 1 days);

        outcomes = _settle(1, _lines(line(big, _second, 1, false)));
        _assertOutcome(outcomes[0], 1, 0, 0, LineStatus.Paid);
        skip(1 days);
        outcomes = _settle(6e8, _lines(line(big, _first, 6e8, false)));
        _assertOutcome(outcomes[0], 6e8, 6e6, 0, LineStatus.Paid);
    }

    function test_LineOfAllThatIsLeftUnderTheCapIsPaidInFull() public {
        setParam("providerCapNano", 1e9);
        LineOutcome[] memory outcomes = _settle(1e9, _lines(line(lockJob("big", 1e9), _first, 1e9, false)));
        _assertOutcome(outcomes[0], 1e9, 1e7, 0, LineStatus.Paid);
    }

    /// @dev The second line goes the short way, and the third must see what it took.
    function test_CapAndTotalCountEveryLineOfAProvider() public {
        bytes32[] memory jobIds = _sorted(3);
        Line[] memory lines = _lines(
            line(jobIds[0], _first, 4e8, false),
            line(jobIds[1], _first, 4e8, false),
            line(jobIds[2], _first, 4e8, false)
        );
        uint256 unsettled = vm.snapshotState();
        setParam("providerCapNano", 1e9);
        LineOutcome[] memory outcomes = _settle(2e9, lines);
        _assertOutcome(outcomes[1], 4e8, 4e6, 0, LineStatus.Paid);
        _assertOutcome(outcomes[2], 2e8, 2e6, 0, LineStatus.PaidInPart);
        vm.revertToState(unsettled);
        outcomes = _settle(1e9, lines);
        _assertOutcome(outcomes[1], 4e8, 4e6, 0, LineStatus.Paid);
        _assertOutcome(outcomes[2], 0, 0, 0, LineStatus.OverBatchTotal);
    }

    function test_CapCountsTheLinesOfOneBatchTogether() public {
        setParam("providerCapNano", 1e9);
        bytes32 big = lockJob("big", 3e9);
        bytes32 bigger = lockJob("bigger", 3e9);
        if (bigger < big) (big, bigger) = (bigger, big);
        LineOutcome[] memory outcomes =
            _settle(2e9, _lines(line(big, _first, 8e8, false), line(bigger, _first, 8e8, true)));
        _assertOutcome(outcomes[0], 8e8, 8e6, 0, LineStatus.Paid);
        _assertOutcome(outcomes[1], 2e8, 2e6, 2.8e9, LineStatus.PaidInPart);
    }

    function test_CapLoweredBelowWhatWasPaidStopsTheProvider() public {
        bytes32 big = lockJob("big", 5e9);
        _settle(2e9, _lines(line(big, _first, 2e9, false)));
        setParam("providerCapNano", 1e9);
        LineOutcome[] memory outcomes = _settle(1, _lines(line(big, _first, 1, true)));
        _assertOutcome(outcomes[0], 0, 0, 3e9, LineStatus.ProviderCapReached);
    }

    /// @dev Where the cap and the lock both cut a line, the smaller bound holds and the vault's reason is told.
    function test_CapAndLockTogether() public {
        setParam("providerCapNano", 1e9);
        bytes32 big = lockJob("big", 1e9 - 1);
        LineOutcome[] memory outcomes = _settle(2e9, _lines(line(big, _first, 2e9, false)));
        _assertOutcome(outcomes[0], 1e9 - 1, 9_999_999, 0, LineStatus.PaidInPart);
        skip(1 days);
        outcomes = _settle(2e9, _lines(line(big, _first, 2e9, false)));
        _assertOutcome(outcomes[0], 0, 0, 0, LineStatus.LockExhausted);
    }

    function testFuzz_NeverPaysAboveTotalOrLocks(uint128 totalNano, uint64[6] memory amounts, bool isFinal)
        public
    {
        totalNano = uint128(bound(totalNano, 0, 4 * LOCK_NANO));
        Line[] memory lines = new Line[](6);
        for (uint256 i = 0; i < 6; ++i) {
            amounts[i] = uint64(bound(amounts[i], 0, 2 * LOCK_NANO));
            lines[i] = line(i % 2 == 0 ? _a : _b, i < 3 ? _first : _second, amounts[i], isFinal && i == 5);
        }
        LineOutcome[] memory outcomes = _settle(totalNano, lines);
        uint256 paidNano;
        for (uint256 i = 0; i < 6; ++i) {
            assertLe(outcomes[i].paidNano(), amounts[i]);
            paidNano += outcomes[i].paidNano();
        }
        assertLe(paidNano, totalNano);
        assertLe(paidNano, 2 * LOCK_NANO);
        uint256 creditedNano = system.treasury.payableOf(_first) + system.treasury.payableOf(_second);
        assertEq(creditedNano + system.treasury.feesPayable(), paidNano);
        assertEq(system.vault.balanceOf(address(system.treasury)), paidNano);
    }

    function testFuzz_RevertWhen_CallerIsNotUsageReceipts(address caller) public {
        vm.assume(caller != address(system.receipts));
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementTreasury.SettlementTreasury_NotReceipts.selector, caller)
        );
        system.treasury.settle(BATCH, 0, 0, new Line[](0));
    }

    /// @dev Locks of 1e9, by ascending job id.
    function _sorted(uint256 count) private returns (bytes32[] memory jobIds) {
        uint256[] memory ids = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = uint256(lockJob(bytes32(1000 + i), 1e9));
        }
        ids = vm.sort(ids);
        jobIds = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            jobIds[i] = bytes32(ids[i]);
        }
    }

    function _settle(uint128 totalNano, Line[] memory lines) private returns (LineOutcome[] memory outcomes) {
        vm.recordLogs();
        vm.prank(address(system.receipts));
        system.treasury.settle(BATCH, totalNano, _now(), lines);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        outcomes = new LineOutcome[](lines.length);
        for (uint256 i = 0; i < lines.length; ++i) {
            assertEq(logs[i].topics[0], ISettlementTreasury.LineSettled.selector);
            assertEq(logs[i].topics[1], lines[i].jobId);
            assertEq(uint256(logs[i].topics[2]), LineLib.providerId(lines[i].terms));
            outcomes[i] = abi.decode(logs[i].data, (LineOutcome));
        }
        assertEq(logs.length, lines.length + 1);
    }

    function _assertOutcome(
        LineOutcome outcome,
        uint64 paidNano,
        uint64 feeNano,
        uint64 releasedNano,
        LineStatus status
    ) private pure {
        assertEq(outcome.paidNano(), paidNano, "paid");
        assertEq(outcome.feeNano(), feeNano, "fee");
        assertEq(outcome.releasedNano(), releasedNano, "released");
        assertEq(uint8(outcome.status()), uint8(status), "status");
    }

    function _now() private view returns (uint64) {
        return uint64(block.timestamp * 1000);
    }

    function _lines(Line memory a) private pure returns (Line[] memory lines) {
        lines = new Line[](1);
        lines[0] = a;
    }

    function _lines(Line memory a, Line memory b) private pure returns (Line[] memory lines) {
        lines = new Line[](2);
        (lines[0], lines[1]) = (a, b);
    }

    function _lines(Line memory a, Line memory b, Line memory c) private pure returns (Line[] memory lines) {
        lines = new Line[](3);
        (lines[0], lines[1], lines[2]) = (a, b, c);
    }

    function _lines(Line memory a, Line memory b, Line memory c, Line memory d)
        private
        pure
        returns (Line[] memory lines)
    {
        lines = new Line[](4);
        (lines[0], lines[1], lines[2], lines[3]) = (a, b, c, d);
    }
}
