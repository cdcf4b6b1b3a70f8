// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IUsageReceipts} from "../../../src/interfaces/IUsageReceipts.sol";
import {UsageReceipts} from "../../../src/UsageReceipts.sol";
import {BatchHeader} from "../../../src/types/BatchHeader.sol";
import {Line} from "../../../src/types/Line.sol";
import {BlsSigner} from "../../utils/BlsSigner.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract LanesTest is SystemTest {
    uint256 private constant NEW_SECRET = 12345;

    bytes private _newKey;
    bytes private _newProof;

    function setUp() public override {
        super.setUp();
        _newKey = BlsSigner.publicKeyOf(NEW_SECRET);
        _newProof = BlsSigner.provePossession(NEW_SECRET);
    }

    function test_ConstructorOpensLaneZero() public view {
        IUsageReceipts.Lane memory lane = system.receipts.laneOf(0);
        assertEq(lane.nextBatchNumber, 1);
        assertEq(lane.lastWindowEnd, START * 1000);
        assertEq(lane.keyEpoch, 1);
        assertEq(lane.lastBatchHash, 0);
        assertEq(lane.keyHash, keccak256(aggregatorPublicKey));
        assertEq(system.receipts.governor(), address(system.governor));
        assertEq(system.receipts.treasury(), address(system.treasury));
    }

    function test_RevertWhen_ConstructedWithoutPossession() public {
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidPossessionProof.selector);
        new UsageReceipts(address(system.governor), address(system.treasury), aggregatorPublicKey, _newProof);
    }

    function test_OpenLane() public {
        skip(100);
        vm.prank(address(system.governor));
        vm.expectEmit(address(system.receipts));
        emit IUsageReceipts.LaneOpened(3, uint64(block.timestamp * 1000));
        vm.expectEmit(address(system.receipts));
        emit IUsageReceipts.AggregatorKeySet(3, 1, keccak256(_newKey), _newKey);
        system.receipts.openLane(3, _newKey, _newProof);
        assertEq(system.receipts.laneOf(3).lastWindowEnd, block.timestamp * 1000);
        assertEq(system.receipts.laneOf(3).keyHash, keccak256(_newKey));
    }

    function test_LanesAreIndependent() public {
        vm.prank(address(system.governor));
        system.receipts.openLane(3, _newKey, _newProof);
        BatchHeader memory header = headerFor(new Line[](0));
        header.laneId = 3;
        bytes memory signature = BlsSigner.sign(NEW_SECRET, system.receipts.hashHeader(header));
        system.receipts.submit(header, new Line[](0), signature, _newKey);
        assertEq(system.receipts.laneOf(3).nextBatchNumber, 2);
        assertEq(system.receipts.laneOf(0).nextBatchNumber, 1);
        assertEq(system.receipts.rootOf(0, 1), 0);
    }

    function test_RevertWhen_LaneIsAlreadyOpen() public {
        vm.prank(address(system.governor));
        vm.expectRevert(abi.encodeWithSelector(IUsageReceipts.UsageReceipts_LaneAlreadyOpen.selector, 0));
        system.receipts.openLane(0, _newKey, _newProof);
    }

    function test_RotateKeyRefusesTheOldEpoch() public {
        BatchHeader memory header = headerFor(new Line[](0));
        bytes memory oldSignature = signHeader(header);
        vm.prank(address(system.governor));
        assertEq(system.receipts.rotateKey(0, _newKey, _newProof), 2);

        vm.expectRevert(abi.encodeWithSelector(IUsageReceipts.UsageReceipts_WrongKeyEpoch.selector, 2, 1));
        system.receipts.submit(header, new Line[](0), oldSignature, aggregatorPublicKey);

        header.keyEpoch = 2;
        bytes memory stillOld = signHeader(header);
        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageReceipts.UsageReceipts_UnknownKey.selector, keccak256(aggregatorPublicKey)
            )
        );
        system.receipts.submit(header, new Line[](0), stillOld, aggregatorPublicKey);

        bytes memory signature = BlsSigner.sign(NEW_SECRET, system.receipts.hashHeader(header));
        system.receipts.submit(header, new Line[](0), signature, _newKey);
        assertEq(system.receipts.laneOf(0).nextBatchNumber, 2);
    }

    /// @dev A compromised key must be replaceable while the guardian holds everything still.
    function test_RotateKeyWorksWhilePaused() public {
        pause();
        vm.prank(address(system.governor));
        assertEq(system.receipts.rotateKey(0, _newKey, _newProof), 2);
    }

    function test_RevertWhen_RotatingUnknownLane() public {
        vm.prank(address(system.governor));
        vm.expectRevert(abi.encodeWithSelector(IUsageReceipts.UsageReceipts_UnknownLane.selector, 9));
        system.receipts.rotateKey(9, _newKey, _newProof);
    }

    function test_RevertWhen_PossessionProofIsForAnotherKey() public {
        bytes memory otherProof = BlsSigner.provePossession(NEW_SECRET + 1);
        vm.startPrank(address(system.governor));
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidPossessionProof.selector);
        system.receipts.rotateKey(0, _newKey, otherProof);
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidPossessionProof.selector);
        system.receipts.openLane(1, _newKey, otherProof);
    }

    function testFuzz_RevertWhen_CallerIsNotGovernor(address caller) public {
        vm.assume(caller != address(system.governor));
        bytes memory reason =
            abi.encodeWithSelector(IUsageReceipts.UsageReceipts_NotGovernor.selector, caller);
        vm.startPrank(caller);
        vm.expectRevert(reason);
        system.receipts.openLane(1, _newKey, _newProof);
        vm.expectRevert(reason);
        system.receipts.rotateKey(0, _newKey, _newProof);
    }
}
