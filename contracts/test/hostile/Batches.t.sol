// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {ISettlementTreasury} from "../../src/interfaces/ISettlementTreasury.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {Line, LineOutcome, LineStatus} from "../../src/types/Line.sol";
import {BlsSigner} from "../utils/BlsSigner.sol";
import {SystemTest} from "../utils/SystemTest.sol";

/// @notice What hostile aggregators, submitters and tenants may try with a batch, and what comes of it.
contract HostileBatchesTest is SystemTest {
    uint64 private constant LOCK_NANO = 1_000_000;
    uint256 private constant TRANSACTION_GAS = 16_777_216;

    bytes32 private _jobId;
    uint32 private _providerId;

    function setUp() public override {
        super.setUp();
        _jobId = lockJob("job", LOCK_NANO);
        _providerId = addProvider(address(this));
        skip(60);
    }

    function test_HeaderOfAnotherLaneUnderTheSameKeyIsRefused() public {
        bytes memory proof = BlsSigner.provePossession(AGGREGATOR_SECRET);
        vm.prank(address(system.governor));
        system.receipts.openLane(1, aggregatorPublicKey, proof);
        Line[] memory lines = _one(1000, false);
        BatchHeader memory header = headerFor(lines);
        header.windowStart = uint64(block.timestamp * 1000);
        header.windowEnd = header.windowStart + 1;
        bytes memory forLaneZero = signHeader(header);
        header.laneId = 1;
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidSignature.selector);
        system.receipts.submit(header, lines, forLaneZero, aggregatorPublicKey);
    }

    function test_MemberWiderThanItsTypeIsRefused() public {
        BatchHeader memory header = headerFor(new Line[](0));
        bytes memory call_ = abi.encodeCall(
            system.receipts.submit, (header, new Line[](0), signHeader(header), aggregatorPublicKey)
        );
        uint256[7] memory places = [uint256(0), 1, 2, 3, 4, 6, 8];
        uint256[7] memory widths = [uint256(32), 32, 64, 64, 64, 32, 128];
        for (uint256 i = 0; i < places.length; ++i) {
            bytes memory wide = bytes.concat(call_);
            uint256 at = 0x24 + places[i] * 0x20;
            uint256 bit = uint256(1) << widths[i];
            assembly ("memory-safe") {
                mstore(add(wide, at), or(mload(add(wide, at)), bit))
            }
            (bool succeeded, bytes memory answer) = address(system.receipts).call(wide);
            assertFalse(succeeded);
            assertEq(answer.length, 0, "refused as malformed, before any check");
        }
        (bool accepted,) = address(system.receipts).call(call_);
        assertTrue(accepted);
    }

    function test_BatchTooBigForATransactionRevertsWholeAndLeavesNothingChanged() public {
        uint256 count = 1600;
        bytes32[] memory jobIds = lockJobs(count, LOCK_NANO);
        Line[] memory lines = new Line[](count);
        for (uint256 i = 0; i < count; ++i) {
            lines[i] = line(jobIds[i], _providerId, 1000, true);
        }
        BatchHeader memory header = headerFor(lines);
        bytes memory signature = signHeader(header);
        bytes32 before = keccak256(abi.encode(system.receipts.laneOf(0)));
        uint256 freeNano = system.vault.balanceOf(tenant);
        // The locks were written in this very transaction; a batch finds them cold.
        vm.cool(address(system.vault));
        try system.receipts.submit{gas: TRANSACTION_GAS}(header, lines, signature, aggregatorPublicKey) {
            revert("a batch above the limit was accepted");
        } catch {}
        assertEq(keccak256(abi.encode(system.receipts.laneOf(0))), before);
        assertEq(system.receipts.rootOf(0, 1), 0);
        assertEq(system.vault.balanceOf(tenant), freeNano);
        assertEq(system.vault.balanceOf(address(system.treasury)), 0);
        assertEq(system.vault.lockOf(jobIds[0]).remainingNano, LOCK_NANO);
        // Nothing is lost: with gas enough the very same batch passes.
        system.receipts.submit(header, lines, signature, aggregatorPublicKey);
    }

    /// @dev The submitter chooses the gas: no amount of it may commit a batch and settle only a part.
    function testFuzz_SubmitterCannotStarveTheSettlementAlone(uint256 gasLimit) public {
        gasLimit = bound(gasLimit, 100_000, 400_000);
        Line[] memory lines = _one(1000, false);
        BatchHeader memory header = headerFor(lines);
        bytes memory signature = signHeader(header);
        try system.receipts.submit{gas: gasLimit}(header, lines, signature, aggregatorPublicKey) {
            assertEq(system.treasury.payableOf(_providerId), 990);
            assertEq(system.receipts.laneOf(0).nextBatchNumber, 2);
        } catch {
            assertEq(system.treasury.payableOf(_providerId), 0);
            assertEq(system.receipts.laneOf(0).nextBatchNumber, 1);
        }
    }

    function test_PauseStopsABatchAndTheSameBatchPassesAfterIt() public {
        Line[] memory lines = _one(1000, false);
        BatchHeader memory header = headerFor(lines);
        bytes memory signature = signHeader(header);
        pause();
        vm.expectRevert(IUsageReceipts.UsageReceipts_Paused.selector);
        system.receipts.submit(header, lines, signature, aggregatorPublicKey);
        skip(1 days);
        system.receipts.submit(header, lines, signature, aggregatorPublicKey);
        assertEq(system.treasury.payableOf(_providerId), 990);
    }

    function test_LockIsSettledAtItsExpirySecond() public {
        vm.warp(system.vault.lockOf(_jobId).expiresAt);
        assertEq(uint8(_submit(_one(1000, false))[0].status()), uint8(LineStatus.Paid));
    }

    function test_LockReleasedAtTheFirstSecondPaysNothingMore() public {
        vm.warp(system.vault.lockOf(_jobId).expiresAt + 1 days - 1);
        uint256 releasableAt = block.timestamp + 1;
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_NotYetReleasable.selector, _jobId, releasableAt)
        );
        system.vault.release(_jobId);
        vm.warp(releasableAt);
        system.vault.release(_jobId);
        assertEq(uint8(_submit(_one(1000, true))[0].status()), uint8(LineStatus.LockClosed));
        assertEq(system.vault.balanceOf(tenant), LOCK_NANO);
    }

    /// @dev The tenant asks for its money back while the last window that may still be paid is on its way.
    function test_RevokedLockPaysTheLastWindowOfItsGraceAndNotTheNext() public {
        uint256 graceEndsAt = block.timestamp + 1 days;
        vm.prank(tenant);
        system.authority.revoke("job");
        vm.warp(graceEndsAt - 1);
        _submit(new Line[](0));
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_NotYetReleasable.selector, _jobId, graceEndsAt)
        );
        system.vault.release(_jobId);
        vm.warp(graceEndsAt);
        assertEq(uint8(_submit(_one(1000, false))[0].status()), uint8(LineStatus.Paid));
        vm.warp(graceEndsAt + 1);
        assertEq(uint8(_submit(_one(1000, false))[0].status()), uint8(LineStatus.Revoked));
        assertEq(system.vault.release(_jobId), LOCK_NANO - 1000);
    }

    function test_SuspendedProviderIsPaidNothingAndKeepsWhatItEarned() public {
        _submit(_one(1000, false));
        vm.prank(address(system.governor));
        system.registry.suspend(_providerId);
        assertEq(uint8(_submit(_one(1000, false))[0].status()), uint8(LineStatus.ProviderInactive));
        assertEq(system.treasury.payableOf(_providerId), 990);
    }

    function test_DuplicateUnknownAndUnorderedLinesGetAStatusAndStopNobody() public {
        Line[] memory lines = new Line[](4);
        lines[0] = line(_jobId, _providerId, 1000, false);
        lines[1] = line(_jobId, _providerId, 1000, false);
        lines[2] = line(bytes32(uint256(1)), _providerId, 1000, false);
        lines[3] = line(bytes32(type(uint256).max), _providerId, 1000, true);
        LineOutcome[] memory outcomes = _submit(lines);
        assertEq(uint8(outcomes[0].status()), uint8(LineStatus.Paid));
        assertEq(uint8(outcomes[1].status()), uint8(LineStatus.NotAscending));
        assertEq(uint8(outcomes[2].status()), uint8(LineStatus.NotAscending));
        assertEq(uint8(outcomes[3].status()), uint8(LineStatus.UnknownJob));
        assertEq(system.vault.lockOf(_jobId).remainingNano, LOCK_NANO - 1000);
    }

    /// @dev Bits a Line's terms do not define must neither pay more nor make a second line of the same one. The signature
    /// is not what is asked about, and is most of a run: the pairing says yes.
    function testFuzz_StrayBitsOfALineChangeNothing(uint256 stray) public {
        Line[] memory lines = _one(1000, false);
        stray = stray << 129;
        vm.mockCall(address(0x0f), bytes(""), abi.encode(uint256(1)));
        assembly ("memory-safe") {
            let terms := add(mload(add(lines, 0x20)), 0x20)
            mstore(terms, or(mload(terms), stray))
        }
        LineOutcome outcome =
            _submitSigned(headerFor(lines), lines, abi.encodePacked(new bytes(127), uint8(1)))[0];
        assertEq(LineOutcome.unwrap(outcome) >> 232, 0);
        assertEq(outcome.paidNano(), 1000);
    }

    function test_InvalidPointsOfASubmitterRevertTheSubmissionAndNothingElse() public {
        Line[] memory lines = _one(1000, false);
        BatchHeader memory header = headerFor(lines);
        bytes memory good = signHeader(header);
        bytes memory offCurve = bytes.concat(good);
        offCurve[127] = bytes1(uint8(offCurve[127]) ^ 1);
        // (0, 2) is on the curve and has order 3.
        bytes memory offSubgroup = new bytes(128);
        offSubgroup[127] = 0x02;
        bytes[5] memory bad =
            [offCurve, offSubgroup, new bytes(128), BlsSigner.addModulusToX(good), BlsSigner.negate(good)];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidSignature.selector);
            system.receipts.submit{gas: TRANSACTION_GAS}(header, lines, bad[i], aggregatorPublicKey);
        }
        system.receipts.submit(header, lines, good, aggregatorPublicKey);
    }

    function test_KeyOfAnOldEpochCannotBeBroughtBackUnderTheNewEpoch() public {
        bytes memory newKey = BlsSigner.publicKeyOf(77);
        bytes memory newProof = BlsSigner.provePossession(77);
        vm.prank(address(system.governor));
        system.receipts.rotateKey(0, newKey, newProof);
        BatchHeader memory header = headerFor(_one(1000, false));
        bytes memory signature = signHeader(header);
        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageReceipts.UsageReceipts_UnknownKey.selector, keccak256(aggregatorPublicKey)
            )
        );
        system.receipts.submit(header, _one(1000, false), signature, aggregatorPublicKey);
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidSignature.selector);
        system.receipts.submit(header, _one(1000, false), signature, newKey);
    }

    function _one(uint64 amountNano, bool isFinal) private view returns (Line[] memory lines) {
        lines = new Line[](1);
        lines[0] = line(_jobId, _providerId, amountNano, isFinal);
    }

    function _submit(Line[] memory lines) private returns (LineOutcome[] memory outcomes) {
        BatchHeader memory header = headerFor(lines);
        return _submitSigned(header, lines, signHeader(header));
    }

    function _submitSigned(BatchHeader memory header, Line[] memory lines, bytes memory signature)
        private
        returns (LineOutcome[] memory outcomes)
    {
        vm.recordLogs();
        system.receipts.submit(header, lines, signature, aggregatorPublicKey);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        outcomes = new LineOutcome[](lines.length);
        uint256 found;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != ISettlementTreasury.LineSettled.selector) continue;
            outcomes[found++] = abi.decode(logs[i].data, (LineOutcome));
        }
        assertEq(found, lines.length);
    }
}
