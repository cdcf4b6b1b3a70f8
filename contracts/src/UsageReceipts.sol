// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {IUsageReceipts} from "./interfaces/IUsageReceipts.sol";
import {BatchHeaderLib} from "./libraries/BatchHeaderLib.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {LaneLib, LaneWord} from "./libraries/LaneLib.sol";
import {SettlementCall, SettlementCallLib} from "./libraries/SettlementCallLib.sol";
import {UsageReceiptLib} from "./libraries/UsageReceiptLib.sol";
import {BatchHeader} from "./types/BatchHeader.sol";
import {Line} from "./types/Line.sol";
import {UsageReceipt} from "./types/UsageReceipt.sol";

/// @title UsageReceipts
/// @notice Accepts threshold-signed batches, keeps their roots, and hands their lines to the treasury.
contract UsageReceipts is IUsageReceipts, EIP712 {
    using BatchHeaderLib for BatchHeader;

    /// @dev A batch never reads the third slot: the tag in `word` stands for it.
    struct StoredLane {
        LaneWord word;
        bytes32 lastBatchHash;
        bytes32 keyHash;
        mapping(uint64 batchNumber => bytes32 receiptsRoot) roots;
    }

    /// @dev How far the end of a window may be ahead of the chain's clock: aggregators do not run on it.
    uint256 private constant CLOCK_SKEW_MS = 15_000;

    /// @inheritdoc IUsageReceipts
    address public immutable governor;
    /// @inheritdoc IUsageReceipts
    address public immutable treasury;

    mapping(uint32 laneId => StoredLane) private _lanes;

    modifier onlyGovernor() {
        if (msg.sender != governor) revert UsageReceipts_NotGovernor(msg.sender);
        _;
    }

    /// @dev Opens lane 0 with the aggregators' first key.
    // The one deployment predicts the addresses, and Check.s.sol reads each back.
    // slither-disable-next-line missing-zero-check
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
        batchHash = hashHeader(header);
        StoredLane storage lane = _lanes[header.laneId];
        bytes memory key = publicKey;
        LaneWord next = _checkSequence(lane, header, keccak256(key));
        SettlementCall settlement = _checkContent(header, lines);
        if (!BLS12381.verify(batchHash, signature, key)) revert UsageReceipts_InvalidSignature();

        lane.word = next;
        lane.lastBatchHash = batchHash;
        lane.roots[header.batchNumber] = header.receiptsRoot;
        header.emitCommitted(batchHash);

        settlement.send(treasury, batchHash, header);
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
        if (_lanes[laneId].word.keyEpoch() == 0) revert UsageReceipts_UnknownLane(laneId);
        return _setKey(laneId, publicKey, possessionProof);
    }

    /// @inheritdoc IUsageReceipts
    function verifyReceipt(
        uint32 laneId,
        uint64 batchNumber,
        UsageReceipt calldata receipt,
        bytes32[] calldata proof
    ) external view returns (bool) {
        bytes32 root = _lanes[laneId].roots[batchNumber];
        // Zero is a batch that was never committed.
        // slither-disable-next-line incorrect-equality
        if (root == 0) return false;
        return MerkleProof.verifyCalldata(proof, root, UsageReceiptLib.leafOf(receipt));
    }

    /// @inheritdoc IUsageReceipts
    function laneOf(uint32 laneId) external view returns (Lane memory) {
        StoredLane storage lane = _lanes[laneId];
        LaneWord word = lane.word;
        return Lane({
            nextBatchNumber: word.nextBatchNumber(),
            lastWindowEnd: word.lastWindowEnd(),
            keyEpoch: word.keyEpoch(),
            lastBatchHash: lane.lastBatchHash,
            keyHash: lane.keyHash
        });
    }

    /// @inheritdoc IUsageReceipts
    function rootOf(uint32 laneId, uint64 batchNumber) external view returns (bytes32 receiptsRoot) {
        return _lanes[laneId].roots[batchNumber];
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

    /// @dev The header, already hashed, continues its lane: next number, adjoining window, right key epoch and key,
    /// chained to the last batch.
    /// @return next the lane after it.
    function _checkSequence(StoredLane storage lane, BatchHeader calldata header, bytes32 keyHash)
        private
        view
        returns (LaneWord next)
    {
        LaneWord word = lane.word;
        (uint32 keyEpoch, uint64 batchNumber, uint64 windowStart, uint64 windowEnd) = header.sequence();
        if (!word.isContinuedBy(batchNumber, windowStart, keyEpoch, keyHash)) _refuse(word, header, keyHash);
        if (windowEnd <= windowStart) revert UsageReceipts_EmptyWindow(windowStart, windowEnd);
        unchecked {
            uint256 nowMs = block.timestamp * 1000;
            if (windowEnd > nowMs + CLOCK_SKEW_MS) revert UsageReceipts_WindowInFuture(windowEnd, nowMs);
        }
        bytes32 lastBatchHash = lane.lastBatchHash;
        if (header.previousBatchHash != lastBatchHash) {
            revert UsageReceipts_WrongPreviousBatch(lastBatchHash, header.previousBatchHash);
        }
        return word.advanced(windowEnd);
    }

    /// @dev Says why a header does not continue its lane.
    function _refuse(LaneWord word, BatchHeader calldata header, bytes32 keyHash) private pure {
        (uint64 nextBatchNumber, uint64 lastWindowEnd, uint32 keyEpoch) =
            (word.nextBatchNumber(), word.lastWindowEnd(), word.keyEpoch());
        if (keyEpoch == 0) revert UsageReceipts_UnknownLane(header.laneId);
        if (header.keyEpoch != keyEpoch) revert UsageReceipts_WrongKeyEpoch(keyEpoch, header.keyEpoch);
        if (header.batchNumber != nextBatchNumber) {
            revert UsageReceipts_WrongBatchNumber(nextBatchNumber, header.batchNumber);
        }
        if (header.windowStart != lastWindowEnd) {
            revert UsageReceipts_WrongWindowStart(lastWindowEnd, header.windowStart);
        }
        revert UsageReceipts_UnknownKey(keyHash);
    }

    /// @dev Warning: the settlement is not to be sent before the signature is verified.
    function _checkContent(BatchHeader calldata header, Line[] calldata lines)
        private
        pure
        returns (SettlementCall settlement)
    {
        if (lines.length == 0 && !header.hasReceipts()) revert UsageReceipts_EmptyBatch();
        settlement = SettlementCallLib.prepare(lines);
        bytes32 linesHash = settlement.linesHash();
        if (linesHash != header.linesHash) {
            revert UsageReceipts_WrongLinesHash(linesHash, header.linesHash);
        }
    }

    function _openLane(uint32 laneId, bytes memory publicKey, bytes memory possessionProof) private {
        StoredLane storage lane = _lanes[laneId];
        if (lane.word.keyEpoch() != 0) revert UsageReceipts_LaneAlreadyOpen(laneId);
        uint48 windowStart = uint48(block.timestamp * 1000);
        lane.word = LaneLib.open(windowStart);
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
        StoredLane storage lane = _lanes[laneId];
        bytes32 keyHash = keccak256(publicKey);
        keyEpoch = lane.word.keyEpoch() + 1;
        lane.word = lane.word.withKey(keyEpoch, keyHash);
        lane.keyHash = keyHash;
        emit AggregatorKeySet(laneId, keyEpoch, keyHash, publicKey);
    }
}
