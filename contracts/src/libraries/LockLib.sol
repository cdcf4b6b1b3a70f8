// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @dev The half of a lock that settlement touches. From the least significant bit:
/// remainingNano 64 | expiresAt 40 | revokedAt 40 | validAfter 40 | state 8.
type LockWord is uint256;

using LockLib for LockWord global;

/// @notice Packs and reads the settlement half of a lock, so that a settled line costs one load and one store of it.
/// @dev The bits above the state stay zero.
library LockLib {
    uint8 internal constant NONE = 0;
    uint8 internal constant OPEN = 1;
    uint8 internal constant CLOSED = 2;

    uint256 private constant REMAINING_MASK = type(uint64).max;
    uint256 private constant REVOKED_AT_MASK = uint256(type(uint40).max) << 104;
    uint256 private constant STATE_SHIFT = 184;
    /// @dev The state is the topmost field.
    uint256 private constant STATE_MASK = type(uint256).max << STATE_SHIFT;
    uint256 private constant OPEN_STATE = uint256(OPEN) << STATE_SHIFT;

    /// @notice An open, unrevoked lock.
    function open(uint64 remainingNano_, uint40 expiresAt_, uint40 validAfter_)
        internal
        pure
        returns (LockWord)
    {
        return LockWord.wrap(
            uint256(remainingNano_) | uint256(expiresAt_) << 64 | uint256(validAfter_) << 144 | uint256(OPEN)
                << STATE_SHIFT
        );
    }

    function remainingNano(LockWord word) internal pure returns (uint64) {
        return uint64(LockWord.unwrap(word));
    }

    function expiresAt(LockWord word) internal pure returns (uint40) {
        return uint40(LockWord.unwrap(word) >> 64);
    }

    function revokedAt(LockWord word) internal pure returns (uint40) {
        return uint40(LockWord.unwrap(word) >> 104);
    }

    function validAfter(LockWord word) internal pure returns (uint40) {
        return uint40(LockWord.unwrap(word) >> 144);
    }

    function state(LockWord word) internal pure returns (uint8) {
        return uint8((LockWord.unwrap(word) >> STATE_SHIFT) & type(uint8).max);
    }

    function isOpen(LockWord word) internal pure returns (bool) {
        return LockWord.unwrap(word) >> STATE_SHIFT == OPEN;
    }

    /// @notice Whether the lock is open, was never revoked, and holds at least `amountNano`.
    function covers(LockWord word, uint256 amountNano) internal pure returns (bool) {
        uint256 raw = LockWord.unwrap(word);
        return raw & (STATE_MASK | REVOKED_AT_MASK) == OPEN_STATE && amountNano <= raw & REMAINING_MASK;
    }

    /// @dev Warning: `paidNano` must be at most what remains, else it borrows from the times above.
    function less(LockWord word, uint256 paidNano) internal pure returns (LockWord) {
        unchecked {
            return LockWord.wrap(LockWord.unwrap(word) - paidNano);
        }
    }

    function withRevokedAt(LockWord word, uint40 revokedAt_) internal pure returns (LockWord) {
        return LockWord.wrap(LockWord.unwrap(word) & ~REVOKED_AT_MASK | uint256(revokedAt_) << 104);
    }

    /// @notice The same lock, closed and empty; its times stay readable.
    function closed(LockWord word) internal pure returns (LockWord) {
        uint256 kept = LockWord.unwrap(word) & ~REMAINING_MASK & ((uint256(1) << STATE_SHIFT) - 1);
        return LockWord.wrap(kept | uint256(CLOSED) << STATE_SHIFT);
    }
}
