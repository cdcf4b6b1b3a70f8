// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BatchHeader} from "../types/BatchHeader.sol";
import {Line} from "../types/Line.sol";
import {UsageReceipt} from "../types/UsageReceipt.sol";

interface IUsageReceipts {
    struct Lane {
        uint64 nextBatchNumber;
        /// @dev Unix milliseconds.
        uint64 lastWindowEnd;
        uint32 keyEpoch;
        bytes32 lastBatchHash;
        bytes32 keyHash;
    }

    event LaneOpened(uint32 indexed laneId, uint64 windowStart);
    event AggregatorKeySet(
        uint32 indexed laneId, uint32 indexed keyEpoch, bytes32 indexed keyHash, bytes publicKey
    );
    /// @dev Emitted before the LineSettled events of the batch's lines.
    event BatchCommitted(
        uint32 indexed laneId, uint64 indexed batchNumber, bytes32 indexed batchHash, BatchHeader header
    );

    error UsageReceipts_UnknownLane(uint32 laneId);
    error UsageReceipts_LaneAlreadyOpen(uint32 laneId);
    error UsageReceipts_WrongKeyEpoch(uint32 expected, uint32 actual);
    error UsageReceipts_WrongBatchNumber(uint64 expected, uint64 actual);
    error UsageReceipts_WrongWindowStart(uint64 expected, uint64 actual);
    error UsageReceipts_EmptyWindow(uint64 windowStart, uint64 windowEnd);
    error UsageReceipts_WindowInFuture(uint64 windowEnd, uint256 nowMs);
    error UsageReceipts_WrongPreviousBatch(bytes32 expected, bytes32 actual);
    error UsageReceipts_WrongLinesHash(bytes32 expected, bytes32 actual);
    error UsageReceipts_EmptyBatch();
    error UsageReceipts_UnknownKey(bytes32 keyHash);
    error UsageReceipts_InvalidSignature();
    error UsageReceipts_InvalidPossessionProof();
    error UsageReceipts_NotGovernor(address caller);
    error UsageReceipts_Paused();

    function governor() external view returns (address);
    function treasury() external view returns (address);
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function hashHeader(BatchHeader calldata header) external view returns (bytes32 batchHash);
    function leafOf(UsageReceipt calldata receipt) external pure returns (bytes32);
    function laneOf(uint32 laneId) external view returns (Lane memory);
    function rootOf(uint32 laneId, uint64 batchNumber) external view returns (bytes32 receiptsRoot);

    /// @param signature G1 point, 128 bytes in the encoding of EIP-2537.
    /// @param publicKey G2 point, 256 bytes in the encoding of EIP-2537; its keccak256 must be the lane's key hash.
    function submit(
        BatchHeader calldata header,
        Line[] calldata lines,
        bytes calldata signature,
        bytes calldata publicKey
    ) external returns (bytes32 batchHash);
    function verifyReceipt(
        uint32 laneId,
        uint64 batchNumber,
        UsageReceipt calldata receipt,
        bytes32[] calldata proof
    ) external view returns (bool);

    /// @notice Governor only. `possessionProof` is the group's signature on keccak256(publicKey) under the POP tag.
    function openLane(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof) external;
    function rotateKey(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof)
        external
        returns (uint32 keyEpoch);
}
