// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Line, LineOutcome} from "../types/Line.sol";

interface ISettlementTreasury {
    /// @notice One per line of a batch, in the order of the lines, whatever became of it.
    event LineSettled(bytes32 indexed jobId, uint32 indexed providerId, LineOutcome outcome);
    event BatchSettled(bytes32 indexed batchHash, uint128 paidNano, uint128 feeNano, uint128 releasedNano);
    event ProviderPaid(uint32 indexed providerId, address indexed payout, uint256 assets, uint128 amountNano);
    event FeesPaid(address indexed recipient, uint256 assets, uint128 amountNano);

    error SettlementTreasury_NotReceipts(address caller);
    error SettlementTreasury_NothingPayable(uint32 providerId);
    error SettlementTreasury_UnknownProvider(uint32 providerId);

    function governor() external view returns (address);
    function vault() external view returns (address);
    function receipts() external view returns (address);
    function registry() external view returns (address);
    function payableOf(uint32 providerId) external view returns (uint128 amountNano);
    function feesPayable() external view returns (uint128 amountNano);
    /// @notice What the provider was credited in the cap window that contains `timestamp`.
    function paidInWindow(uint32 providerId) external view returns (uint64 paidNano, uint32 windowIndex);

    /// @notice UsageReceipts only. `windowStart` is in Unix milliseconds.
    function settle(bytes32 batchHash, uint128 totalNano, uint64 windowStart, Line[] calldata lines) external;
    /// @notice Pays the provider's balance, in the settlement asset, to its payout address; anyone may call.
    function payProvider(uint32 providerId) external returns (uint256 assets);
    /// @notice Pays collected fees to the recipient the governor set; anyone may call.
    function payFees() external returns (uint256 assets);
}
