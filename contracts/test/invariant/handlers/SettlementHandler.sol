// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {Deployment} from "../../../script/Deployment.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {ISettlementTreasury} from "../../../src/interfaces/ISettlementTreasury.sol";
import {IUsageReceipts} from "../../../src/interfaces/IUsageReceipts.sol";
import {LineLib} from "../../../src/libraries/LineLib.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";
import {BatchHeader} from "../../../src/types/BatchHeader.sol";
import {Line, LineOutcome, LineStatus} from "../../../src/types/Line.sol";
import {Ledger} from "../Ledger.sol";
import {Store} from "../Store.sol";
import {Handler} from "./Handler.sol";

/// @notice Aggregators on two lanes, whose batches hold any lines in any order under any total, and who also try what a
/// lane must refuse; and whoever asks for a payout. The pairing answers yes to everything.
contract SettlementHandler is Handler {
    uint256 private constant LANES = 2;

    /// @dev What was true just before a batch, against which its outcome is judged.
    struct Before {
        uint256 feeBps;
        uint256 capNano;
        uint256 capWindow;
        uint256 graceSeconds;
        bool[] isActive;
        ICreditVault.Lock[] locks;
        uint256[] revokedAt;
    }

    bytes private _signature = new bytes(128);

    constructor(Deployment.Contracts memory system_, MockUSDC usdc_, Store store_, Ledger ledger_)
        Handler(system_, usdc_, store_, ledger_)
    {
        _signature[127] = 0x01;
    }

    function submit(uint256 seed, uint8 lineCount, uint256 totalNano, uint16 windowSeconds, uint8 laneId)
        external
    {
        vm.warp(nowSeconds() + bound(windowSeconds, 1, 8 hours));
        Line[] memory lines = _lines(seed, bound(lineCount, 0, 8));
        BatchHeader memory header = _header(lines, uint32(laneId % LANES));
        uint256 sumNano = header.totalNano;
        header.totalNano = uint128(bound(totalNano, sumNano / 2, sumNano + 1));
        if (isPaused()) {
            _mustRefuse("INV-26", header, lines);
            return;
        }
        Before memory past = _before(lines);
        vm.recordLogs();
        bytes32 batchHash =
            system.receipts.submit(header, lines, _signature, _publicKey(header.laneId, header.keyEpoch));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        ledger.apply_(logs);
        store.count(msg.sig);
        store.addWindow(
            header.laneId,
            Store.Window({
                batchNumber: header.batchNumber,
                windowStart: header.windowStart,
                windowEnd: header.windowEnd,
                previousBatchHash: header.previousBatchHash,
                batchHash: batchHash,
                receiptsRoot: header.receiptsRoot
            })
        );
        _judge(header, lines, past, logs);
        _mustRefuse("INV-21", header, lines);
    }

    /// @dev Right in all but one thing, which the lane must notice.
    function submitOutOfSequence(int32 startShift, int8 numberShift, uint8 what, uint8 laneId) external {
        Line[] memory lines = new Line[](0);
        BatchHeader memory header = _header(lines, uint32(laneId % LANES));
        if (header.windowEnd <= header.windowStart) return;
        if (what % 6 == 0) header.windowStart = uint64(int64(header.windowStart) + _notZero(startShift));
        else if (what % 6 == 1) header.batchNumber = uint64(int64(header.batchNumber) + _notZero(numberShift));
        else if (what % 6 == 2) header.windowEnd = header.windowStart;
        else if (what % 6 == 3) header.windowEnd = uint64(nowSeconds() * 1000 + 15_001);
        else if (what % 6 == 4) header.previousBatchHash = ~header.previousBatchHash;
        else header.keyEpoch -= 1;
        _mustRefuse("INV-21", header, lines);
    }

    function payProvider(uint32 providerId) external recorded {
        providerId = uint32(bound(providerId, 1, system.registry.providerCount()));
        uint128 owedNano = system.treasury.payableOf(providerId);
        if (owedNano < 1000) return;
        uint256 assets = system.treasury.payProvider(providerId);
        require_(assets == owedNano / 1000, "INV-32", "a provider was paid another amount");
    }

    function payFees() external recorded {
        uint128 owedNano = system.treasury.feesPayable();
        if (owedNano < 1000) return;
        address recipient = address(uint160(system.governor.param("feeRecipient")));
        uint256 before = usdc.balanceOf(recipient);
        system.treasury.payFees();
        require_(usdc.balanceOf(recipient) == before + owedNano / 1000, "INV-32", "other fees were paid");
    }

    function _mustRefuse(bytes32 id, BatchHeader memory header, Line[] memory lines) private {
        bytes memory publicKey = _publicKey(header.laneId, header.keyEpoch);
        bytes memory call_ = abi.encodeCall(IUsageReceipts.submit, (header, lines, _signature, publicKey));
        mustFail(id, address(this), address(system.receipts), call_);
    }

    /// @dev Every rule that one batch must obey, whatever the aggregators put into it.
    function _judge(BatchHeader memory header, Line[] memory lines, Before memory past, Vm.Log[] memory logs)
        private
    {
        uint256 next;
        uint256 paidNano;
        uint256 feeNano;
        uint256 releasedNano;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == ISettlementTreasury.LineSettled.selector) {
                LineOutcome outcome = abi.decode(logs[i].data, (LineOutcome));
                require_(logs[i].topics[1] == lines[next].jobId, "INV-20", "an event out of order");
                _judgeLine(header, lines[next], past, next, outcome);
                next += 1;
                paidNano += LineLib.paidNano(outcome);
                feeNano += LineLib.feeNano(outcome);
                releasedNano += LineLib.releasedNano(outcome);
            } else if (logs[i].topics[0] == ISettlementTreasury.BatchSettled.selector) {
                bytes memory sums = abi.encode(uint128(paidNano), uint128(feeNano), uint128(releasedNano));
                require_(keccak256(logs[i].data) == keccak256(sums), "INV-20", "the sum is not its lines'");
            }
        }
        require_(next == lines.length, "INV-20", "a line without an event");
        require_(paidNano <= header.totalNano, "INV-13", "paid above the batch's total");
    }

    function _judgeLine(
        BatchHeader memory header,
        Line memory line,
        Before memory past,
        uint256 index,
        LineOutcome outcome
    ) private {
        uint256 paidNano = LineLib.paidNano(outcome);
        LineStatus status = LineLib.status(outcome);
        bool isSkipped = status == LineStatus.NotAscending || status == LineStatus.OverBatchTotal;
        if (isSkipped) {
            require_(paidNano + LineLib.releasedNano(outcome) == 0, "INV-20", "a skipped line moved money");
        }
        require_(status != LineStatus.None, "INV-20", "a line without a status");
        require_(LineLib.receiptCount(outcome) == LineLib.receiptCount(line.terms), "INV-20", "another count");
        require_(LineLib.feeNano(outcome) == paidNano * past.feeBps / 10_000, "INV-19", "another fee");
        require_(paidNano <= LineLib.amountNano(line.terms), "INV-12", "paid above the line");
        require_(
            status != LineStatus.Paid || paidNano == LineLib.amountNano(line.terms), "INV-12", "Paid in part"
        );
        require_(paidNano <= past.locks[index].remainingNano, "INV-09", "paid above the lock");
        uint256 revokedAt = past.revokedAt[index];
        bool isPastGrace = revokedAt != 0 && (revokedAt + past.graceSeconds) * 1000 <= header.windowStart;
        require_(status != LineStatus.Revoked || isPastGrace, "INV-16", "refused within the grace");
        if (paidNano == 0) return;
        require_(past.isActive[index], "INV-15", "an inactive provider was paid");
        require_(past.locks[index].state == ICreditVault.LockState.Open, "INV-08", "a closed lock paid");
        require_(!isPastGrace, "INV-16", "paid after the grace of a revocation");
        uint256 capWindow = nowSeconds() / past.capWindow;
        uint256 allNano = store.addPaid(LineLib.providerId(line.terms), capWindow, paidNano);
        require_(allNano <= past.capNano, "INV-14", "paid above the provider's cap");
    }

    function _before(Line[] memory lines) private view returns (Before memory past) {
        past.feeBps = system.governor.param("feeBps");
        past.capNano = system.governor.param("providerCapNano");
        past.capWindow = system.governor.param("capWindowSeconds");
        past.graceSeconds = system.governor.param("graceSeconds");
        past.isActive = new bool[](lines.length);
        past.locks = new ICreditVault.Lock[](lines.length);
        past.revokedAt = new uint256[](lines.length);
        for (uint256 i = 0; i < lines.length; ++i) {
            past.isActive[i] = system.registry.isActive(LineLib.providerId(lines[i].terms));
            past.locks[i] = system.vault.lockOf(lines[i].jobId);
            past.revokedAt[i] = ledger.lockOf(lines[i].jobId).revokedAt;
        }
    }

    /// @dev Most batches are in order, so that sums get somewhere; the others are as they come.
    function _lines(uint256 seed, uint256 lineCount) private returns (Line[] memory lines) {
        lines = new Line[](lineCount);
        uint256 providers = system.registry.providerCount();
        bytes32[] memory jobIds = _jobIds(seed, lineCount);
        bool inOrder = seed % 4 != 0;
        for (uint256 i = 0; i < lineCount; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 providerId = inOrder ? i * providers / lineCount + 1 : random % (providers + 2);
            bytes32 jobId = random % 23 == 0 ? bytes32(random) : jobIds[inOrder ? i : random % lineCount];
            uint64 amountNano = uint64((random >> 64) % (random % 3 == 0 ? 30e9 : 1e9));
            bool isFinal = (random >> 128) % 9 == 0;
            lines[i] = Line({
                jobId: jobId,
                terms: LineLib.packTerms(amountNano, uint32(random >> 160), uint32(providerId), isFinal)
            });
        }
    }

    /// @dev Known jobs, ascending.
    function _jobIds(uint256 seed, uint256 length) private returns (bytes32[] memory) {
        uint256[] memory ids = new uint256[](length);
        for (uint256 i = 0; i < length; ++i) {
            ids[i] = store.jobCount() == 0 ? i : uint256(store.jobAt(((seed >> 8) % 1e9) + i).jobId);
        }
        return abi.decode(abi.encode(vm.sort(ids)), (bytes32[]));
    }

    function _header(Line[] memory lines, uint32 laneId) private view returns (BatchHeader memory header) {
        IUsageReceipts.Lane memory lane = system.receipts.laneOf(laneId);
        header.laneId = laneId;
        header.keyEpoch = lane.keyEpoch;
        header.batchNumber = lane.nextBatchNumber;
        header.windowStart = lane.lastWindowEnd;
        header.windowEnd = uint64(nowSeconds() * 1000);
        header.receiptsRoot = keccak256(abi.encode("root", laneId, lane.nextBatchNumber));
        header.receiptCount = 1;
        header.linesHash = keccak256(abi.encode(lines));
        for (uint256 i = 0; i < lines.length; ++i) {
            header.totalNano += LineLib.amountNano(lines[i].terms);
        }
        header.previousBatchHash = lane.lastBatchHash;
    }

    function _publicKey(uint32 laneId, uint32 keyEpoch) private view returns (bytes memory) {
        return store.publicKeyOf(laneId, keyEpoch);
    }

    function _notZero(int64 shift) private pure returns (int64) {
        return shift == 0 ? int64(1) : shift;
    }
}
