// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ChargeResult} from "./ChargeBufferLib.sol";
import {LineOutcome, LineStatus, LineTerms} from "../types/Line.sol";

/// @dev What the lines booked so far came to, and how much of it their providers were credited with: the difference
/// belongs to the present provider, whose lines stand together. Every member fills a word of memory, in this order:
/// BookLib relies on it.
struct Book {
    uint256 paidNano;
    uint256 feeNano;
    uint256 releasedNano;
    ChargeResult result;
    uint256 feeBps;
    uint256 providerId;
    uint256 creditedPaidNano;
    uint256 creditedFeeNano;
}

/// @notice Adds charged lines to a book.
library BookLib {
    /// @notice Books the next result as that of `line`, under the status the vault gave it.
    /// @dev Nothing overflows: amounts fit 64 bits, the fee is at most a tenth, and fewer than 2^64 lines fit a block.
    /// In Solidity, of which most would be copying on the stack, it costs 250 gas more per line.
    function add(Book memory book, LineTerms line) internal pure returns (LineOutcome outcome) {
        uint256 rawStatus;
        assembly ("memory-safe") {
            let result := mload(add(book, 0x60))
            let paidNano := and(mload(result), 0xffffffffffffffff)
            let releasedNano := and(mload(add(result, 0x20)), 0xffffffffffffffff)
            rawStatus := mload(add(result, 0x40))
            let feeNano := div(mul(paidNano, mload(add(book, 0x80))), 10000)
            mstore(book, add(mload(book), paidNano))
            mstore(add(book, 0x20), add(mload(add(book, 0x20)), feeNano))
            mstore(add(book, 0x40), add(mload(add(book, 0x40)), releasedNano))
            mstore(add(book, 0x60), add(result, 0x60))
            // paidNano 64 | feeNano 64 | releasedNano 64 | receiptCount 32, which a line has at bit 64 | status 8
            outcome := or(or(paidNano, shl(64, feeNano)), shl(128, releasedNano))
            outcome := or(outcome, shl(192, and(shr(64, line), 0xffffffff)))
        }
        return outcome.withStatus(LineStatus(rawStatus));
    }
}
