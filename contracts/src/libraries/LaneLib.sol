// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @dev What a batch reads and writes of its lane. From the least significant bit:
/// nextBatchNumber 48 | lastWindowEnd 48 | keyEpoch 32 | keyTag 128.
type LaneWord is uint256;

using LaneLib for LaneWord global;

/// @notice Packs and reads the part of a lane that every batch touches, so that it costs one load and one store.
/// @dev The tag is the upper half of the key's hash. To pass another key for the lane's takes a second preimage of 128
/// bits, which is as hard as breaking BLS12-381 itself; collisions help nobody, since the governor alone sets keys.
library LaneLib {
    uint256 private constant NUMBER_MASK = type(uint48).max;
    uint256 private constant POSITION_MASK = type(uint96).max;

    /// @notice A lane without a key whose next batch is the first.
    function open(uint48 lastWindowEnd_) internal pure returns (LaneWord) {
        return LaneWord.wrap(uint256(1) | uint256(lastWindowEnd_) << 48);
    }

    function nextBatchNumber(LaneWord word) internal pure returns (uint64) {
        // Masked to 48 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(LaneWord.unwrap(word) & NUMBER_MASK);
    }

    function lastWindowEnd(LaneWord word) internal pure returns (uint64) {
        // Masked to 48 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(LaneWord.unwrap(word) >> 48 & NUMBER_MASK);
    }

    /// @notice Zero while the lane is not open.
    function keyEpoch(LaneWord word) internal pure returns (uint32) {
        return uint32(LaneWord.unwrap(word) >> 96);
    }

    /// @notice Whether a batch of that number, window and key epoch, under the key of that hash, is the lane's next: one
    /// comparison for four.
    function isContinuedBy(
        LaneWord word,
        uint256 batchNumber,
        uint256 windowStart,
        uint32 keyEpoch_,
        bytes32 keyHash
    ) internal pure returns (bool) {
        // What is wider than its field would run into the next one.
        if ((batchNumber | windowStart) > NUMBER_MASK) return false;
        // Nothing continues a lane that is not open, and whose word is therefore zero.
        if (keyEpoch_ == 0) return false;
        uint256 expected =
            batchNumber | windowStart << 48 | uint256(keyEpoch_) << 96 | uint256(keyHash) >> 128 << 128;
        return LaneWord.unwrap(word) == expected;
    }

    /// @notice The lane after one more batch.
    /// @dev Warning: `windowEnd` must fit 48 bits; as Unix milliseconds it does until the year 10889.
    function advanced(LaneWord word, uint64 windowEnd) internal pure returns (LaneWord) {
        unchecked {
            uint256 number = (LaneWord.unwrap(word) + 1) & NUMBER_MASK;
            return LaneWord.wrap(LaneWord.unwrap(word) & ~POSITION_MASK | uint256(windowEnd) << 48 | number);
        }
    }

    /// @notice The same lane under its next key.
    function withKey(LaneWord word, uint32 keyEpoch_, bytes32 keyHash) internal pure returns (LaneWord) {
        return LaneWord.wrap(
            LaneWord.unwrap(word) & POSITION_MASK | uint256(keyEpoch_) << 96 | uint256(keyHash) >> 128 << 128
        );
    }
}
