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
///
/// Assumptions:
/// - about the aggregators: fewer than t of n are dishonest, at least t are up, and their key came from a dealerless
///   generation, so that nobody holds the whole secret. With t dishonest, what they can take is bounded by the locks, the
///   caps and the active providers; with fewer than t up, nothing settles and nothing is lost;
/// - about the clock: `block.timestamp` never goes back; aggregators' clocks are at most fifteen seconds ahead of it;
/// - about the chain: it has the precompiles of EIP-2537, at the gas they cost on Ethereum;
/// - about the treasury: it does not revert for one bad line;
/// - about the governor: it opens lanes and sets keys only for groups that were vetted; the possession proof shows that
///   a secret is held, not by whom.
interface IUsageReceipts {
    /// @dev All zero while the lane is not open.
    struct Lane {
        /// @dev The only batch number accepted next; the first is 1.
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

    /// @notice A lane begins its sequence.
    /// @param laneId The lane.
    /// @param windowStart where the lane's first window must begin, in Unix milliseconds.
    event LaneOpened(uint32 indexed laneId, uint64 windowStart);
    /// @notice A lane has a new group key, which `submit` takes from now on.
    /// @param laneId The lane.
    /// @param keyEpoch Counts the lane's keys from 1.
    /// @param keyHash `keccak256` of the encoded public key.
    /// @param publicKey what `submit` must be given; the chain keeps its hash only.
    event AggregatorKeySet(
        uint32 indexed laneId, uint32 indexed keyEpoch, bytes32 indexed keyHash, bytes publicKey
    );
    /// @notice A batch was accepted.
    /// @dev Emitted before the LineSettled events of the batch's lines.
    /// @param laneId The lane.
    /// @param batchNumber Consecutive within the lane, from 1.
    /// @param batchHash EIP-712 digest of the batch's header.
    /// @param header The header, as the aggregators signed it.
    event BatchCommitted(
        uint32 indexed laneId, uint64 indexed batchNumber, bytes32 indexed batchHash, BatchHeader header
    );

    /// @notice The lane is not open.
    /// @param laneId The lane.
    error UsageReceipts_UnknownLane(uint32 laneId);
    /// @notice The lane is open.
    /// @param laneId The lane.
    error UsageReceipts_LaneAlreadyOpen(uint32 laneId);
    /// @notice The header is signed under another key than the present one.
    /// @param expected The lane's.
    /// @param actual The header's.
    error UsageReceipts_WrongKeyEpoch(uint32 expected, uint32 actual);
    /// @notice The batch is not the lane's next; a replay ends here.
    /// @param expected The lane's next.
    /// @param actual The header's.
    error UsageReceipts_WrongBatchNumber(uint64 expected, uint64 actual);
    /// @notice The window does not adjoin the last one.
    /// @param expected Where the last window ended, in Unix milliseconds.
    /// @param actual The header's.
    error UsageReceipts_WrongWindowStart(uint64 expected, uint64 actual);
    /// @notice The window ends at or before its beginning.
    /// @param windowStart Unix milliseconds.
    /// @param windowEnd Unix milliseconds.
    error UsageReceipts_EmptyWindow(uint64 windowStart, uint64 windowEnd);
    /// @notice The end is more than fifteen seconds ahead of the block.
    /// @param windowEnd Unix milliseconds.
    /// @param nowMs The block's time, in Unix milliseconds.
    error UsageReceipts_WindowInFuture(uint64 windowEnd, uint256 nowMs);
    /// @notice The header does not chain to the lane's last batch.
    /// @param expected The last batch's digest.
    /// @param actual The header's.
    error UsageReceipts_WrongPreviousBatch(bytes32 expected, bytes32 actual);
    /// @notice The lines are not those the header commits to.
    /// @param expected Hash of the lines given.
    /// @param actual The header's.
    error UsageReceipts_WrongLinesHash(bytes32 expected, bytes32 actual);
    /// @notice Neither lines nor receipts.
    error UsageReceipts_EmptyBatch();
    /// @notice The key given is not the lane's.
    /// @param keyHash `keccak256` of the key given.
    error UsageReceipts_UnknownKey(bytes32 keyHash);
    /// @notice The signature is not the group's on this header, or no point.
    error UsageReceipts_InvalidSignature();
    /// @notice Nobody has shown to hold the secret of the new key.
    error UsageReceipts_InvalidPossessionProof();
    /// @notice Only the governor opens lanes and rotates keys.
    /// @param caller Who called.
    error UsageReceipts_NotGovernor(address caller);
    /// @notice The guardian paused settlement.
    error UsageReceipts_Paused();

    /// @notice Opens lanes and rotates keys; also asked whether settlement is paused.
    function governor() external view returns (address);
    /// @notice Settles the lines of every accepted batch.
    function treasury() external view returns (address);
    /// @notice EIP-712 domain separator; receipts are signed in the same domain.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    /// @notice The header's EIP-712 digest: the message the aggregators sign, and the batch's identity.
    /// @param header Any header.
    /// @return batchHash EIP-712 digest of the batch's header.
    function hashHeader(BatchHeader calldata header) external view returns (bytes32 batchHash);
    /// @notice The receipt's leaf: the keccak256 of its EIP-712 struct hash, hashed twice so that no inner node of the
    /// tree can pass for a receipt.
    /// @param receipt Any receipt.
    function leafOf(UsageReceipt calldata receipt) external pure returns (bytes32);
    /// @notice The lane's state; all zero while it is not open.
    /// @param laneId The lane.
    function laneOf(uint32 laneId) external view returns (Lane memory);
    /// @notice The root of an accepted batch; zero for any other.
    /// @param laneId The lane.
    /// @param batchNumber Consecutive within the lane, from 1.
    /// @return receiptsRoot The Merkle root.
    function rootOf(uint32 laneId, uint64 batchNumber) external view returns (bytes32 receiptsRoot);

    /// @notice Accepts the lane's next batch and settles its lines in the same transaction.
    /// @dev Cheap checks come first and the pairing last. An invalid point makes the pairing burn nearly all the gas of
    /// the call, which is the sender's own.
    /// @dev Warning: one transaction on Base may use 16,777,216 gas; aggregators chunk batches well below it.
    /// @param header The header, as the aggregators signed it.
    /// @param lines strictly ascending by (providerId, jobId); a line out of order is skipped with a status.
    /// @param signature G1 point, 128 bytes in the encoding of EIP-2537.
    /// @param publicKey G2 point, 256 bytes in the encoding of EIP-2537; its keccak256 must be the lane's key hash.
    /// @return batchHash EIP-712 digest of the batch's header.
    function submit(
        BatchHeader calldata header,
        Line[] calldata lines,
        bytes calldata signature,
        bytes calldata publicKey
    ) external returns (bytes32 batchHash);
    /// @notice Whether the receipt is in the batch.
    /// @dev True says that the group of that lane signed for it, not that it was paid: see LineSettled.
    /// @param laneId The lane.
    /// @param batchNumber Consecutive within the lane, from 1.
    /// @param receipt The receipt, as the gateway signed it.
    /// @param proof sibling hashes from the leaf up, sorted pairs, as OpenZeppelin's MerkleProof takes them.
    function verifyReceipt(
        uint32 laneId,
        uint64 batchNumber,
        UsageReceipt calldata receipt,
        bytes32[] calldata proof
    ) external view returns (bool);

    /// @notice Governor only. The first window of the lane begins now.
    /// @dev Warning: without the possession proof a rogue member could choose its key so that it alone can sign.
    /// @param laneId A lane that is not open.
    /// @param publicKey G2 point, 256 bytes in the encoding of EIP-2537.
    /// @param possessionProof the group's signature on keccak256(publicKey) under the tag
    /// `BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_`.
    function openLane(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof) external;
    /// @notice Governor only. The old key's headers are refused from this moment; the sequence goes on. Works while
    /// paused, since a compromised key is one reason to pause.
    /// @dev Warning: a batch signed under the old key and not yet submitted has to be signed again.
    /// @param laneId An open lane.
    /// @param publicKey G2 point, 256 bytes in the encoding of EIP-2537.
    /// @param possessionProof The group's signature on keccak256(publicKey) under the tag
    /// `BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_`.
    /// @return keyEpoch The new epoch.
    function rotateKey(uint32 laneId, bytes calldata publicKey, bytes calldata possessionProof)
        external
        returns (uint32 keyEpoch);
}
