// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BatchHeader} from "../types/BatchHeader.sol";
import {Line} from "../types/Line.sol";
import {UsageReceipt} from "../types/UsageReceipt.sol";

/// @title IUsageReceipts
/// @notice Accepts the batches that t of n aggregators signed, keeps their Merkle roots, and settles them.
///
/// A lane is one group of aggregators and its own sequence: consecutive batch numbers, adjoining windows, a hash chain
/// of headers, and one group key at a time. Lanes do not know of each other. Lane 0 is open from the start.
///
/// What the chain checks of a batch: that it continues its lane, that the lines are those the header commits to, and
/// that the group signed the header. What it cannot check, and t aggregators answer for: that the lines are the sums of
/// the receipts under the root, that each receipt is true, and that it lies inside the window.
///
/// The message that is signed is the header's EIP-712 digest in the domain ("UsageReceipts", "1", chain, this contract),
/// so a header is good for one lane of one contract on one chain. The signature is BLS over BLS12-381, on G1, under the
/// tag `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_`; see BLS12381.
///
/// Anyone may submit: a duplicate reverts and costs its sender only.
/// @dev Assumes the precompiles of EIP-2537, and a treasury that does not revert for one bad line.
interface IUsageReceipts {
    /// @dev All zero while the lane is not open.
    struct Lane {
        uint64 nextBatchNumber;
        /// @dev Unix milliseconds; where the next window must begin.
        uint64 lastWindowEnd;
        /// @dev Counts the lane's keys from 1; headers of an earlier epoch are refused.
        uint32 keyEpoch;
        /// @dev Zero before the first batch.
        bytes32 lastBatchHash;
        /// @dev `keccak256` of the encoded public key.
        bytes32 keyHash;
    }

    /// @param windowStart where the lane's first window must begin, in Unix milliseconds.
    event LaneOpened(uint32 indexed laneId, uint64 windowStart);
    /// @param publicKey what `submit` must be given; the chain keeps its hash only.
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
    /// @dev The end is more than fifteen seconds ahead of the block.
    error UsageReceipts_WindowInFuture(uint64 windowEnd, uint256 nowMs);
    error UsageReceipts_WrongPreviousBatch(bytes32 expected, bytes32 actual);
    error UsageReceipts_WrongLinesHash(bytes32 expected, bytes32 actual);
    /// @dev Neither lines nor receipts.
    error UsageReceipts_EmptyBatch();
    error UsageReceipts_UnknownKey(bytes32 keyHash);
    error UsageReceipts_InvalidSignature();
    error UsageReceipts_InvalidPossessionProof();
    error UsageReceipts_NotGovernor(address caller);
    error UsageReceipts_Paused();

    /// @notice Opens lanes and rotates keys; also asked whether settlement is paused.
    function governor() external view returns (address);
    /// @notice Settles the lines of every accepted batch.
    function treasury() external view returns (address);
    /// @notice EIP-712 domain separator; receipts are signed in the same domain.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    /// @notice The header's EIP-712 digest: the message the aggregators sign, and the batch's identity.
    function hashHeader(BatchHeader calldata header) external view returns (bytes32 batchHash);
    /// @notice The receipt's leaf: the keccak256 of its EIP-712 struct hash, hashed twice so that no inner node of the
    /// tree can pass for a receipt.
    function leafOf(UsageReceipt calldata receipt) external pure returns (bytes32);
    /// @notice The lane's state; all zero while it is not open.
    function laneOf(uint32 laneId) external view returns (Lane memory);
    /// @notice The root of an accepted batch; zero for any other.
    function rootOf(uint32 laneId, uint64 batchNumber) external view returns (bytes32 receiptsRoot);

    /// @notice Accepts the lane's next batch and settles its lines in the same transaction.
    /// @dev Cheap checks come first and the pairing last. An invalid point makes the pairing burn nearly all the gas of
    /// the call, which is the sender's own.
    /// @dev Warning: one transaction on Base may use 16,777,216 gas; aggregators chunk batches well below it.
    /// @param lines strictly ascending by (providerId, jobId); a line out of order is skipped with a status.
    /// @param signature G1 point, 128 bytes in the encoding of EIP-2537.
    /// @param publicKey G2 point, 256 bytes in the encoding of EIP-2537; its keccak256 must be the lane's key hash.
    function submit(
        BatchHeader calldata header,
        Line[] calldata lines,
        bytes calldata signature,
        bytes calldata publicKey
    ) external returns (bytes32 batchHash);
    /// @notice Whether the receipt is in the batch.
    /// @dev True says that the group of that lane signed for it, not that it was paid: see LineSettled.
    /// @param proof sibling hashes from the leaf up, sorted pairs, as OpenZeppelin's MerkleProof takes them.
    function verifyReceipt(
        uint32 laneId,
        uint64 batchNumber,
        UsageReceipt calldata receipt,
        bytes32[] calldata proof
    ) external view returns (bool);

    /// @notice Governor only. The first window of the lane begins now.
    /// @dev Warning: without the possession proof a rogue member could choose its key so that it alone can sign.
    /// @param possessionProof the group's signature on keccak256(publicKey) under the tag
    /// `BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_`.
    function openLane(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof) external;
    /// @notice Governor only. The old key's headers are refused from this moment; the sequence goes on. Works while
    /// paused, since a compromised key is one reason to pause.
    /// @dev Warning: a batch signed under the old key and not yet submitted has to be signed again.
    function rotateKey(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof)
        external
        returns (uint32 keyEpoch);
}
