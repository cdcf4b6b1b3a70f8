// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";
import {Vm} from "forge-std/Vm.sol";
import {Deployment} from "../../../script/Deployment.sol";
import {ISettlementTreasury} from "../../../src/interfaces/ISettlementTreasury.sol";
import {IUsageReceipts} from "../../../src/interfaces/IUsageReceipts.sol";
import {LineLib} from "../../../src/libraries/LineLib.sol";
import {BatchHeader} from "../../../src/types/BatchHeader.sol";
import {Line, LineOutcome} from "../../../src/types/Line.sol";
import {BlsSigner} from "../../utils/BlsSigner.sol";

/// @notice Aggregators, honest and not, whose signed batches hold any lines in any order under any total; a governor
/// that moves caps, fees and keys; and providers that come, go and are paid.
contract BatchHandler is CommonBase, StdUtils {
    struct Window {
        uint64 batchNumber;
        uint64 windowStart;
        uint64 windowEnd;
    }

    Deployment.Contracts internal system;
    bytes32[] internal jobIds;
    uint32 public immutable providerCount;
    uint256 internal secret;
    bytes internal publicKey;

    Window[] internal windows;
    uint256 public batchesAboveTotal;
    uint256 public providersAboveCap;
    uint256 public linePaidNano;
    uint256 public lineFeeNano;
    uint256 public withdrawnNano;
    uint256 public acceptedForgeries;
    mapping(uint32 providerId => mapping(uint256 windowIndex => uint256 paidNano)) internal paidInWindow;

    constructor(
        Deployment.Contracts memory system_,
        bytes32[] memory jobIds_,
        uint32 providerCount_,
        uint256 secret_
    ) {
        system = system_;
        jobIds = jobIds_;
        providerCount = providerCount_;
        _useKey(secret_);
    }

    /// @dev A batch that continues the lane; its lines may be unordered, doubled, unknown or too large.
    function submit(uint256 seed, uint8 lineCount, uint256 totalNano, uint16 windowSeconds) external {
        vm.warp(block.timestamp + bound(windowSeconds, 1, 8 hours));
        Line[] memory lines = _lines(seed, bound(lineCount, 0, 8));
        BatchHeader memory header = _header(lines);
        uint256 sumNano = header.totalNano;
        header.totalNano = uint128(bound(totalNano, sumNano / 2, sumNano + 1));

        bytes memory signature = BlsSigner.sign(secret, system.receipts.hashHeader(header));
        vm.recordLogs();
        system.receipts.submit(header, lines, signature, publicKey);
        windows.push(Window(header.batchNumber, header.windowStart, header.windowEnd));
        _record(header.totalNano, vm.getRecordedLogs());
    }

    /// @dev Well signed, and yet it must not pass: its window or number does not continue the lane.
    function submitOutOfSequence(int32 startShift, int8 numberShift) external {
        Line[] memory lines = new Line[](0);
        BatchHeader memory header = _header(lines);
        header.windowStart = uint64(int64(header.windowStart) + startShift);
        header.batchNumber = uint64(int64(header.batchNumber) + numberShift);
        if (startShift == 0 && numberShift == 0) header.windowEnd = header.windowStart;
        bytes memory signature = BlsSigner.sign(secret, system.receipts.hashHeader(header));
        try system.receipts.submit(header, lines, signature, publicKey) {
            acceptedForgeries += 1;
        } catch {}
    }

    function rotateKey(uint256 newSecret) external {
        newSecret = bound(newSecret, 1, type(uint128).max);
        _useKey(newSecret);
        bytes memory proof = BlsSigner.provePossession(newSecret);
        vm.prank(address(system.governor));
        system.receipts.rotateKey(0, publicKey, proof);
    }

    function setTerms(uint256 feeBps, uint256 capNano) external {
        vm.startPrank(address(system.governor));
        system.governor.setParam("feeBps", bound(feeBps, 0, 1000));
        system.governor.setParam("providerCapNano", bound(capNano, 1e9, 20e9));
        vm.stopPrank();
    }

    function toggleProvider(uint32 providerId) external {
        providerId = uint32(bound(providerId, 1, providerCount));
        bool isActive = system.registry.isActive(providerId);
        vm.prank(address(system.governor));
        if (isActive) system.registry.suspend(providerId);
        else system.registry.reinstate(providerId);
    }

    function payProvider(uint32 providerId) external {
        providerId = uint32(bound(providerId, 1, providerCount));
        withdrawnNano += system.treasury.payProvider(providerId) * 1000;
    }

    function payFees() external {
        withdrawnNano += system.treasury.payFees() * 1000;
    }

    function windowsLength() external view returns (uint256) {
        return windows.length;
    }

    function windowAt(uint256 index) external view returns (Window memory) {
        return windows[index];
    }

    function _useKey(uint256 secret_) private {
        secret = secret_;
        publicKey = BlsSigner.publicKeyOf(secret_);
    }

    function _record(uint128 totalNano, Vm.Log[] memory logs) private {
        uint256 batchPaidNano;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != ISettlementTreasury.LineSettled.selector) continue;
            LineOutcome outcome = abi.decode(logs[i].data, (LineOutcome));
            uint32 providerId = uint32(uint256(logs[i].topics[2]));
            batchPaidNano += LineLib.paidNano(outcome);
            lineFeeNano += LineLib.feeNano(outcome);
            paidInWindow[providerId][block.timestamp / 1 days] += LineLib.paidNano(outcome);
            if (LineLib.paidNano(outcome) != 0) _checkCap(providerId);
        }
        linePaidNano += batchPaidNano;
        if (batchPaidNano > totalNano) batchesAboveTotal += 1;
    }

    function _checkCap(uint32 providerId) private {
        uint256 paidNano = paidInWindow[providerId][block.timestamp / 1 days];
        if (paidNano > system.governor.param("providerCapNano")) providersAboveCap += 1;
    }

    /// @dev Half of the batches are in order, so that sums get somewhere; the others are as they come.
    function _lines(uint256 seed, uint256 count) private view returns (Line[] memory lines) {
        lines = new Line[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            bool inOrder = seed % 2 == 0;
            uint256 providerId = inOrder ? i * providerCount / count + 1 : random % (providerCount + 2);
            bytes32 jobId = random % 17 == 0 ? bytes32(random) : jobIds[(random >> 32) % jobIds.length];
            if (inOrder) jobId = jobIds[(random % 3 + i * 3) % jobIds.length];
            uint64 amountNano = uint64((random >> 64) % 3e9);
            lines[i] = Line({
                jobId: jobId, terms: LineLib.packTerms(amountNano, 1, uint32(providerId), random % 29 == 0)
            });
        }
    }

    function _header(Line[] memory lines) private view returns (BatchHeader memory header) {
        IUsageReceipts.Lane memory lane = system.receipts.laneOf(0);
        header.keyEpoch = lane.keyEpoch;
        header.batchNumber = lane.nextBatchNumber;
        header.windowStart = lane.lastWindowEnd;
        header.windowEnd = uint64(block.timestamp * 1000);
        header.receiptsRoot = keccak256(abi.encode("root", lane.nextBatchNumber));
        header.receiptCount = 1;
        header.linesHash = keccak256(abi.encode(lines));
        for (uint256 i = 0; i < lines.length; ++i) {
            header.totalNano += LineLib.amountNano(lines[i].terms);
        }
        header.previousBatchHash = lane.lastBatchHash;
    }
}
