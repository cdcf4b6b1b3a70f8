// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LineLib} from "../libraries/LineLib.sol";

using LineLib for LineTerms global;
using LineLib for LineOutcome global;

/// @notice What one provider is due from one job in one batch. Lines are strictly ascending by (providerId, jobId).
struct Line {
    /// @dev The job whose lock pays.
    bytes32 jobId;
    /// @dev What is due, for whom: see LineTerms.
    LineTerms terms;
}

/// @dev From the least significant bit: amountNano 64 | receiptCount 32 | providerId 32 | isFinal 1.
type LineTerms is uint256;

/// @dev What became of a line. From the least significant bit:
/// paidNano 64 (fee included) | feeNano 64 | releasedNano 64 | receiptCount 32 | status 8.
type LineOutcome is uint256;

/// @notice Why a line paid what it paid. A line never reverts its batch.
enum LineStatus {
    /// @dev Never emitted.
    None,
    /// @dev Paid in full.
    Paid,
    /// @dev The lock or a bound covered only a part; that part is paid.
    PaidInPart,
    /// @dev The job was never locked.
    UnknownJob,
    /// @dev A final line or a release came before.
    LockClosed,
    /// @dev The lock is open and empty.
    LockExhausted,
    /// @dev Pending, suspended, retired or unknown.
    ProviderInactive,
    /// @dev Nothing left under the cap of this window.
    ProviderCapReached,
    /// @dev The capability was revoked, and the grace had passed before this batch's window began.
    Revoked,
    /// @dev Out of order, or a duplicate of an earlier line.
    NotAscending,
    /// @dev The lines before it already reached the header's total.
    OverBatchTotal
}
