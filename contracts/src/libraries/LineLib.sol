// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISettlementTreasury} from "../interfaces/ISettlementTreasury.sol";
import {Line, LineOutcome, LineStatus, LineTerms} from "../types/Line.sol";

/// @notice Packs and reads settlement lines.
/// @dev The readers ignore the bits above a packed value, so a word with stray high bits reads like one without.
library LineLib {
    /// @dev Bytes of an encoded line.
    uint256 internal constant SIZE = 0x40;

    /// @notice The line at `at` in the calldata.
    /// @dev Both members fill their word, so there is nothing to check but the place. Warning: that is not checked.
    function read(uint256 at) internal pure returns (bytes32 jobId, LineTerms terms) {
        assembly ("memory-safe") {
            jobId := calldataload(at)
            terms := calldataload(add(at, 0x20))
        }
    }

    /// @notice Where in the calldata the lines begin and end.
    function bounds(Line[] calldata lines) internal pure returns (uint256 at, uint256 end) {
        assembly ("memory-safe") {
            at := lines.offset
            end := add(at, mul(lines.length, SIZE))
        }
    }

    function packTerms(uint64 amountNano_, uint32 receiptCount_, uint32 providerId_, bool isFinal_)
        internal
        pure
        returns (LineTerms)
    {
        return LineTerms.wrap(
            uint256(amountNano_) | uint256(receiptCount_) << 64 | uint256(providerId_) << 96
                | (isFinal_ ? uint256(1) << 128 : 0)
        );
    }

    function amountNano(LineTerms terms) internal pure returns (uint64) {
        return uint64(LineTerms.unwrap(terms));
    }

    function receiptCount(LineTerms terms) internal pure returns (uint32) {
        return uint32(LineTerms.unwrap(terms) >> 64);
    }

    function providerId(LineTerms terms) internal pure returns (uint32) {
        return uint32(LineTerms.unwrap(terms) >> 96);
    }

    function isFinal(LineTerms terms) internal pure returns (bool) {
        return LineTerms.unwrap(terms) >> 128 & 1 == 1;
    }

    /// @param paidNano_ What left the lock, the fee included.
    function packOutcome(
        uint64 paidNano_,
        uint64 feeNano_,
        uint64 releasedNano_,
        uint32 receiptCount_,
        LineStatus status_
    ) internal pure returns (LineOutcome) {
        return LineOutcome.wrap(
            uint256(paidNano_) | uint256(feeNano_) << 64 | uint256(releasedNano_) << 128
                | uint256(receiptCount_) << 192 | uint256(status_) << 224
        );
    }

    function paidNano(LineOutcome outcome) internal pure returns (uint64) {
        return uint64(LineOutcome.unwrap(outcome));
    }

    function feeNano(LineOutcome outcome) internal pure returns (uint64) {
        return uint64(LineOutcome.unwrap(outcome) >> 64);
    }

    function releasedNano(LineOutcome outcome) internal pure returns (uint64) {
        return uint64(LineOutcome.unwrap(outcome) >> 128);
    }

    function receiptCount(LineOutcome outcome) internal pure returns (uint32) {
        return uint32(LineOutcome.unwrap(outcome) >> 192);
    }

    function status(LineOutcome outcome) internal pure returns (LineStatus) {
        return LineStatus(uint8(LineOutcome.unwrap(outcome) >> 224));
    }

    /// @notice The same outcome under another status.
    function withStatus(LineOutcome outcome, LineStatus status_) internal pure returns (LineOutcome) {
        return LineOutcome.wrap(uint224(LineOutcome.unwrap(outcome)) | uint256(status_) << 224);
    }

    /// @notice Emits `LineSettled`.
    function emitSettled(LineOutcome outcome, bytes32 jobId, uint256 providerId_) internal {
        bytes32 topic = ISettlementTreasury.LineSettled.selector;
        assembly ("memory-safe") {
            mstore(0, outcome)
            log3(0, 0x20, topic, jobId, providerId_)
        }
    }
}
