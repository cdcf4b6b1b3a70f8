// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IUsageReceipts} from "../../../src/interfaces/IUsageReceipts.sol";
import {UsageReceipts} from "../../../src/UsageReceipts.sol";
import {BatchHeader} from "../../../src/types/BatchHeader.sol";
import {Line} from "../../../src/types/Line.sol";
import {BlsSigner} from "../../utils/BlsSigner.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract SubmitTest is SystemTest {
    Line[] private _lines;
    bytes32 private _jobId;

    function setUp() public override {
        super.setUp();
        _jobId = lockJob("job", 1_000_000);
        _lines.push(line(_jobId, addProvider(address(this)), 1000, false));
        skip(60);
    }

    function test_CommitsAndSettles() public {
        BatchHeader memory header = headerFor(_lines);
        bytes32 batchHash = system.receipts.hashHeader(header);
        bytes memory signature = signHeader(header);

        vm.expectEmit(address(system.receipts));
        emit IUsageReceipts.BatchCommitted(0, 1, batchHash, header);
        assertEq(system.receipts.submit(header, _lines, signature, aggregatorPublicKey), batchHash);

        IUsageReceipts.Lane memory lane = system.receipts.laneOf(0);
        assertEq(lane.nextBatchNumber, 2);
        assertEq(lane.lastWindowEnd, header.windowEnd);
        assertEq(lane.lastBatchHash, batchHash);
        assertEq(system.receipts.rootOf(0, 1), header.receiptsRoot);
        assertEq(system.treasury.payableOf(1), 990);
        assertEq(system.treasury.feesPayable(), 10);
    }

    function test_AcceptsBatchOfReceiptsWithoutLines() public {
        BatchHeader memory header = headerFor(new Line[](0));
        header.receiptCount = 1;
        _submit(header, new Line[](0));
        assertEq(system.receipts.laneOf(0).nextBatchNumber, 2);
    }

    function test_AcceptsFinalLinesWithoutReceipts() public {
        _lines[0] = line(_jobId, 1, 0, true);
        BatchHeader memory header = headerFor(_lines);
        header.receiptCount = 0;
        _submit(header, _lines);
        assertEq(system.vault.balanceOf(tenant), 1_000_000);
    }

    function test_AcceptsWindowEndWithinTheClockSkew() public {
        BatchHeader memory header = headerFor(_lines);
        header.windowEnd += 15_000;
        _submit(header, _lines);
        assertEq(system.receipts.laneOf(0).lastWindowEnd, block.timestamp * 1000 + 15_000);
    }

    function test_HeaderOfOtherContractIsRefused() public {
        BatchHeader memory header = headerFor(_lines);
        UsageReceipts other = new UsageReceipts(
            address(system.governor),
            address(system.treasury),
            aggregatorPublicKey,
            BlsSigner.provePossession(AGGREGATOR_SECRET)
        );
        _expectRefusal(header, BlsSigner.sign(AGGREGATOR_SECRET, other.hashHeader(header)));
    }

    function testFuzz_HeaderOfOtherChainIsRefused(uint64 chainId) public {
        chainId = uint64(bound(chainId, 1, type(uint64).max));
        vm.assume(chainId != block.chainid);
        BatchHeader memory header = headerFor(_lines);
        uint256 home = block.chainid;
        vm.chainId(chainId);
        bytes memory forChain = signHeader(header);
        vm.chainId(home);
        _expectRefusal(header, forChain);
    }

    function test_RevertWhen_Replayed() public {
        BatchHeader memory header = headerFor(_lines);
        bytes memory signature = signHeader(header);
        system.receipts.submit(header, _lines, signature, aggregatorPublicKey);
        vm.expectRevert(abi.encodeWithSelector(IUsageReceipts.UsageReceipts_WrongBatchNumber.selector, 2, 1));
        system.receipts.submit(header, _lines, signature, aggregatorPublicKey);
    }

    function test_RevertWhen_Paused() public {
        BatchHeader memory header = headerFor(_lines);
        pause();
        _expectRevert(header, abi.encodeWithSelector(IUsageReceipts.UsageReceipts_Paused.selector));
    }

    function test_RevertWhen_LaneIsUnknown() public {
        BatchHeader memory header = headerFor(_lines);
        header.laneId = 7;
        _expectRevert(header, abi.encodeWithSelector(IUsageReceipts.UsageReceipts_UnknownLane.selector, 7));
    }

    function test_RevertWhen_KeyEpochIsNotCurrent() public {
        BatchHeader memory header = headerFor(_lines);
        header.keyEpoch = 2;
        _expectRevert(
            header, abi.encodeWithSelector(IUsageReceipts.UsageReceipts_WrongKeyEpoch.selector, 1, 2)
        );
    }

    function test_RevertWhen_BatchNumberSkips() public {
        BatchHeader memory header = headerFor(_lines);
        header.batchNumber = 2;
        _expectRevert(
            header, abi.encodeWithSelector(IUsageReceipts.UsageReceipts_WrongBatchNumber.selector, 1, 2)
        );
    }

    function testFuzz_RevertWhen_WindowDoesNotAdjoin(uint64 windowStart) public {
        BatchHeader memory header = headerFor(_lines);
        vm.assume(windowStart != header.windowStart);
        bytes memory reason = abi.encodeWithSelector(
            IUsageReceipts.UsageReceipts_WrongWindowStart.selector, header.windowStart, windowStart
        );
        header.windowStart = windowStart;
        _expectRevert(header, reason);
    }

    function test_RevertWhen_WindowIsEmpty() public {
        BatchHeader memory header = headerFor(_lines);
        for (uint64 i = 0; i < 2; ++i) {
            header.windowEnd = header.windowStart - i;
            _expectRevert(
                header,
                abi.encodeWithSelector(
                    IUsageReceipts.UsageReceipts_EmptyWindow.selector, header.windowStart, header.windowEnd
                )
            );
        }
    }

    function test_RevertWhen_WindowEndsInTheFuture() public {
        BatchHeader memory header = headerFor(_lines);
        header.windowEnd += 15_001;
        _expectRevert(
            header,
            abi.encodeWithSelector(
                IUsageReceipts.UsageReceipts_WindowInFuture.selector, header.windowEnd, block.timestamp * 1000
            )
        );
    }

    function test_RevertWhen_PreviousBatchIsAnother() public {
        BatchHeader memory header = headerFor(_lines);
        header.previousBatchHash = keccak256("fork");
        _expectRevert(
            header,
            abi.encodeWithSelector(
                IUsageReceipts.UsageReceipts_WrongPreviousBatch.selector, bytes32(0), keccak256("fork")
            )
        );
    }

    function test_RevertWhen_BatchIsEmpty() public {
        BatchHeader memory header = headerFor(new Line[](0));
        header.receiptCount = 0;
        bytes memory signature = signHeader(header);
        vm.expectRevert(IUsageReceipts.UsageReceipts_EmptyBatch.selector);
        system.receipts.submit(header, new Line[](0), signature, aggregatorPublicKey);
    }

    function test_RevertWhen_LinesDifferFromTheHeader() public {
        BatchHeader memory header = headerFor(_lines);
        _lines[0] = line(_jobId, 1, 2000, false);
        _expectRevert(
            header,
            abi.encodeWithSelector(
                IUsageReceipts.UsageReceipts_WrongLinesHash.selector,
                keccak256(abi.encode(_lines)),
                header.linesHash
            )
        );
    }

    function test_RevertWhen_KeyIsNotTheLanes() public {
        BatchHeader memory header = headerFor(_lines);
        bytes memory otherKey = BlsSigner.publicKeyOf(7);
        bytes memory signature = BlsSigner.sign(7, system.receipts.hashHeader(header));
        vm.expectRevert(
            abi.encodeWithSelector(IUsageReceipts.UsageReceipts_UnknownKey.selector, keccak256(otherKey))
        );
        system.receipts.submit(header, _lines, signature, otherKey);
    }

    function test_RevertWhen_SignatureIsOnAnotherHeader() public {
        BatchHeader memory header = headerFor(_lines);
        bytes memory signature = signHeader(header);
        header.receiptsRoot = keccak256("forged");
        _expectRefusal(header, signature);
    }

    function test_RevertWhen_SignatureIsNoPoint() public {
        BatchHeader memory header = headerFor(_lines);
        bytes memory offTheCurve = signHeader(header);
        offTheCurve[127] ^= 0x01;
        _expectRefusal(header, offTheCurve);
        _expectRefusal(header, "");
        _expectRefusal(header, new bytes(128));
    }

    function _submit(BatchHeader memory header, Line[] memory lines) private {
        system.receipts.submit(header, lines, signHeader(header), aggregatorPublicKey);
    }

    function _expectRevert(BatchHeader memory header, bytes memory reason) private {
        bytes memory signature = signHeader(header);
        vm.expectRevert(reason);
        system.receipts.submit(header, _lines, signature, aggregatorPublicKey);
    }

    function _expectRefusal(BatchHeader memory header, bytes memory signature) private {
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidSignature.selector);
        system.receipts.submit(header, _lines, signature, aggregatorPublicKey);
    }
}
