// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {ISettlementTreasury} from "./interfaces/ISettlementTreasury.sol";
import {IUsageReceipts} from "./interfaces/IUsageReceipts.sol";
import {BatchHeaderLib} from "./libraries/BatchHeaderLib.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {LineLib} from "./libraries/LineLib.sol";
import {UsageReceiptLib} from "./libraries/UsageReceiptLib.sol";
import {BatchHeader} from "./types/BatchHeader.sol";
import {Line} from "./types/Line.sol";
import {UsageReceipt} from "./types/UsageReceipt.sol";

/// @title UsageReceipts
/// @notice Accepts threshold-signed batches, keeps their roots, and hands their lines to the treasury.
contract UsageReceipts is IUsageReceipts, EIP712 {
    using Address for address;

    /// @dev How far the end of a window may be ahead of the chain's clock: aggregators do not run on it.
    uint256 private constant CLOCK_SKEW_MS = 15_000;
    /// @dev Where the lines begin among the four arguments of `ISettlementTreasury.settle`.
    uint256 private constant SETTLE_LINES_OFFSET = 0x80;

    /// @inheritdoc IUsageReceipts
    address public immutable governor;
    /// @inheritdoc IUsageReceipts
    address public immutable treasury;

    mapping(uint32 laneId => Lane) private _lanes;
    mapping(uint32 laneId => mapping(uint64 batchNumber => bytes32 receiptsRoot)) private _roots;

    modifier onlyGovernor() {
        if (msg.sender != governor) revert UsageReceipts_NotGovernor(msg.sender);
        _;
    }

    /// @dev Opens lane 0 with the aggregators' first key.
    constructor(address governor_, address treasury_, bytes memory publicKey, bytes memory possessionProof)
        EIP712("UsageReceipts", "1")
    {
        governor = governor_;
        treasury = treasury_;
        _openLane(0, publicKey, possessionProof);
    }

    /// @inheritdoc IUsageReceipts
    function submit(
        BatchHeader calldata header,
        Line[] calldata lines,
        bytes calldata signature,
        bytes calldata publicKey
    ) external returns (bytes32 batchHash) {
        if (IParamGovernor(governor).isPaused()) revert UsageReceipts_Paused();
        Lane storage lane = _lanes[header.laneId];
        _checkSequence(lane, header);
        _checkContent(header, lines);
        bytes32 keyHash = keccak256(publicKey);
        if (keyHash != lane.keyHash) revert UsageReceipts_UnknownKey(keyHash);
        batchHash = hashHeader(header);
        if (!BLS12381.verify(batchHash, signature, publicKey)) revert UsageReceipts_InvalidSignature();

        (lane.nextBatchNumber, lane.lastWindowEnd) = (header.batchNumber + 1, header.windowEnd);
        lane.lastBatchHash = batchHash;
        _roots[header.laneId][header.batchNumber] = header.receiptsRoot;
        emit BatchCommitted(header.laneId, header.batchNumber, batchHash, header);

        _settle(batchHash, header, lines);
    }

    /// @inheritdoc IUsageReceipts
    function openLane(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof)
        external
        onlyGovernor
    {
        _openLane(laneId, publicKey, possessionProof);
    }

    /// @inheritdoc IUsageReceipts
    function rotateKey(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof)
        external
        onlyGovernor
        returns (uint32 keyEpoch)
    {
        if (_lanes[laneId].keyEpoch == 0) revert UsageReceipts_UnknownLane(laneId);
        return _setKey(laneId, publicKey, possessionProof);
    }

    /// @inheritdoc IUsageReceipts
    function verifyReceipt(
        uint32 laneId,
        uint64 batchNumber,
        UsageReceipt calldata receipt,
        bytes32[] calldata proof
    ) external view returns (bool) {
        bytes32 root = _roots[laneId][batchNumber];
        if (root == 0) return false;
        return MerkleProof.verifyCalldata(proof, root, UsageReceiptLib.leafOf(receipt));
    }

    /// @inheritdoc IUsageReceipts
    function laneOf(uint32 laneId) external view returns (Lane memory) {
        return _lanes[laneId];
    }

    /// @inheritdoc IUsageReceipts
    function rootOf(uint32 laneId, uint64 batchNumber) external view returns (bytes32 receiptsRoot) {
        return _roots[laneId][batchNumber];
    }

    /// @inheritdoc IUsageReceipts
    function leafOf(UsageReceipt calldata receipt) external pure returns (bytes32) {
        return UsageReceiptLib.leafOf(receipt);
    }

    /// @inheritdoc IUsageReceipts
    // The name is EIP-2612's.
    // forge-lint: disable-next-line(mixed-case-function)
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc IUsageReceipts
    function hashHeader(BatchHeader calldata header) public view returns (bytes32 batchHash) {
        return _hashTypedDataV4(BatchHeaderLib.structHash(header));
    }

    /// @dev The header continues its lane: next number, adjoining window, right key epoch, chained to the last batch.
    function _checkSequence(Lane storage lane, BatchHeader calldata header) private view {
        (uint64 nextBatchNumber, uint64 lastWindowEnd, uint32 keyEpoch) =
            (lane.nextBatchNumber, lane.lastWindowEnd, lane.keyEpoch);
        if (keyEpoch == 0) revert UsageReceipts_UnknownLane(header.laneId);
        if (header.keyEpoch != keyEpoch) revert UsageReceipts_WrongKeyEpoch(keyEpoch, header.keyEpoch);
        if (header.batchNumber != nextBatchNumber) {
            revert UsageReceipts_WrongBatchNumber(nextBatchNumber, header.batchNumber);
        }
        if (header.windowStart != lastWindowEnd) {
            revert UsageReceipts_WrongWindowStart(lastWindowEnd, header.windowStart);
        }
        if (header.windowEnd <= header.windowStart) {
            revert UsageReceipts_EmptyWindow(header.windowStart, header.windowEnd);
        }
        uint256 nowMs = block.timestamp * 1000;
        if (header.windowEnd > nowMs + CLOCK_SKEW_MS) {
            revert UsageReceipts_WindowInFuture(header.windowEnd, nowMs);
        }
        bytes32 lastBatchHash = lane.lastBatchHash;
        if (header.previousBatchHash != lastBatchHash) {
            revert UsageReceipts_WrongPreviousBatch(lastBatchHash, header.previousBatchHash);
        }
    }

    function _checkContent(BatchHeader calldata header, Line[] calldata lines) private pure {
        if (lines.length == 0 && header.receiptCount == 0) revert UsageReceipts_EmptyBatch();
        bytes32 linesHash = LineLib.hash(lines);
        if (linesHash != header.linesHash) {
            revert UsageReceipts_WrongLinesHash(linesHash, header.linesHash);
        }
    }

    /// @dev Calls `settle`. Both members of a Line fill their word, so the lines are copied as they came, where the
    /// compiler would decode and encode each: 120 gas a line.
    function _settle(bytes32 batchHash, BatchHeader calldata header, Line[] calldata lines) private {
        // What is written twice are two halves, offset and length.
        // slither-disable-next-line write-after-write
        bytes calldata encodedLines;
        assembly ("memory-safe") {
            encodedLines.offset := lines.offset
            encodedLines.length := shl(6, lines.length)
        }
        bytes memory head = abi.encodeWithSelector(
            ISettlementTreasury.settle.selector,
            batchHash,
            header.totalNano,
            header.windowStart,
            SETTLE_LINES_OFFSET,
            lines.length
        );
        // `settle` answers nothing; its revert is passed on.
        // slither-disable-next-line unused-return
        treasury.functionCall(bytes.concat(head, encodedLines));
    }

    function _openLane(uint32 laneId, bytes memory publicKey, bytes memory possessionProof) private {
        Lane storage lane = _lanes[laneId];
        if (lane.keyEpoch != 0) revert UsageReceipts_LaneAlreadyOpen(laneId);
        uint64 windowStart = uint64(block.timestamp * 1000);
        lane.nextBatchNumber = 1;
        lane.lastWindowEnd = windowStart;
        emit LaneOpened(laneId, windowStart);
        _setKey(laneId, publicKey, possessionProof);
    }

    function _setKey(uint32 laneId, bytes memory publicKey, bytes memory possessionProof)
        private
        returns (uint32 keyEpoch)
    {
        if (!BLS12381.verifyPossession(possessionProof, publicKey)) {
            revert UsageReceipts_InvalidPossessionProof();
        }
        Lane storage lane = _lanes[laneId];
        bytes32 keyHash = keccak256(publicKey);
        keyEpoch = ++lane.keyEpoch;
        lane.keyHash = keyHash;
        emit AggregatorKeySet(laneId, keyEpoch, keyHash, publicKey);
    }
}
