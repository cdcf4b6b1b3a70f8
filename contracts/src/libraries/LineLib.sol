// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Line, LineOutcome, LineStatus, LineTerms} from "../types/Line.sol";

/// @notice Packs, reads and hashes settlement lines.
/// @dev The readers ignore the bits above a packed value, so a word with stray high bits reads like one without.
library LineLib {
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

    /// @notice `keccak256(abi.encode(lines))`.
    /// @dev Both members of a Line fill their word, so its calldata already is its encoding and one copy replaces the
    /// loop the compiler would emit.
    function hash(Line[] calldata lines) internal pure returns (bytes32 linesHash) {
        assembly ("memory-safe") {
            let encoded := mload(0x40)
            let size := shl(6, lines.length)
            mstore(encoded, 0x20)
            mstore(add(encoded, 0x20), lines.length)
            calldatacopy(add(encoded, 0x40), lines.offset, size)
            linesHash := keccak256(encoded, add(size, 0x40))
        }
    }
}
