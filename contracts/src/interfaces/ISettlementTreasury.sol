// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Line, LineOutcome} from "../types/Line.sol";

/// @title ISettlementTreasury
/// @notice Turns the lines of a batch into what providers are owed, and pays it out on request.
///
/// Four bounds hold for every line, whatever the aggregators signed: the lock it is charged to, the header's total, the
/// provider's cap per window, and the provider being active. A line that meets a bound pays what is left under it, or
/// nothing, and says why in its status; it never stops the others.
///
/// The money never leaves the vault before it is paid out: the treasury's account there holds the sum of all that is
/// payable, fees included. Payment is pulled, so a payout address that reverts hurts its own provider only.
/// Assumptions:
/// - UsageReceipts calls `settle` once for each batch, with lines whose hash the aggregators signed;
/// - the vault pays no more than it is asked, gives one result per charge in their order, and reverts for the whole batch
///   only while paused;
/// - the registry's answers do not change inside a transaction, and cost a bounded amount of gas;
/// - the governor keeps capWindowSeconds above zero and feeBps at most 1,000; a changed capWindowSeconds renumbers the
///   windows, so a provider's cap may begin anew at that moment;
/// - `block.timestamp` never goes back, so a window that has ended is over.
/// @dev Everything can be rebuilt from LineSettled, ProviderPaid and FeesPaid: a line credits its provider with
/// paidNano - feeNano, and the fees with feeNano.
interface ISettlementTreasury {
    /// @notice One per line of a batch, in the order of the lines, whatever became of it.
    /// @param jobId The job.
    /// @param providerId The provider.
    /// @param outcome What was paid, kept as fee and released, and why: see LineOutcome.
    event LineSettled(bytes32 indexed jobId, uint32 indexed providerId, LineOutcome outcome);
    /// @notice What a batch came to.
    /// @dev Follows the LineSettled events of the batch; paidNano includes the fee.
    /// @param batchHash EIP-712 digest of the batch's header.
    /// @param paidNano Nanocredits taken from locks, fee included.
    /// @param feeNano Of these, the fee.
    /// @param releasedNano Nanocredits that went back to the tenant.
    event BatchSettled(bytes32 indexed batchHash, uint128 paidNano, uint128 feeNano, uint128 releasedNano);
    /// @notice A provider was paid out.
    /// @param providerId The provider.
    /// @param payout Who received the assets.
    /// @param assets Units paid.
    /// @param amountNano The same in nanocredits.
    event ProviderPaid(uint32 indexed providerId, address indexed payout, uint256 assets, uint128 amountNano);
    /// @notice Collected fees were paid out.
    /// @param recipient Who received the assets.
    /// @param assets Units paid.
    /// @param amountNano The same in nanocredits.
    event FeesPaid(address indexed recipient, uint256 assets, uint128 amountNano);

    /// @notice Only UsageReceipts settles.
    /// @param caller Who called.
    error SettlementTreasury_NotReceipts(address caller);
    /// @notice Less than one unit of the settlement asset; id 0 stands for the fees.
    /// @param providerId The provider.
    error SettlementTreasury_NothingPayable(uint32 providerId);
    /// @notice No such provider.
    /// @param providerId The provider.
    error SettlementTreasury_UnknownProvider(uint32 providerId);

    /// @notice Sets the fee, the cap and the fees' recipient.
    function governor() external view returns (address);
    /// @notice Holds the locks, and the treasury's own account.
    function vault() external view returns (address);
    /// @notice The one caller of `settle`.
    function receipts() external view returns (address);
    /// @notice Says which provider is active and where it is paid.
    function registry() external view returns (address);
    /// @notice What the provider has earned and not yet been paid.
    /// @param providerId The provider.
    /// @return amountNano Nanocredits.
    function payableOf(uint32 providerId) external view returns (uint128 amountNano);
    /// @notice Fees collected and not yet paid.
    /// @return amountNano Nanocredits.
    function feesPayable() external view returns (uint128 amountNano);
    /// @notice What lines paid the provider, fee included, in the last cap window in which any did.
    /// @param providerId The provider.
    /// @return paidNano Nanocredits, fee included.
    /// @return windowIndex Unix seconds over capWindowSeconds; an earlier index than the present one counts as nothing.
    function paidInWindow(uint32 providerId) external view returns (uint64 paidNano, uint32 windowIndex);

    /// @notice UsageReceipts only. Settles the lines in order.
    ///
    /// - Not strictly ascending by (providerId, jobId): NotAscending. Neither paid nor released; it counts for nothing.
    /// - Above what is left of `totalNano`: OverBatchTotal. Neither paid nor released, so a later batch can settle it.
    /// - Provider not active: ProviderInactive, pays nothing. A final line still releases the lock.
    /// - Above the room under the provider's cap: PaidInPart, or ProviderCapReached if there is none. A final line still
    ///   releases the lock, what the cap refused included.
    /// - Otherwise the vault decides: see ICreditVault.charge.
    ///
    /// The fee is floor(paid * feeBps / 10,000) of each line.
    /// @dev Warning: the room under the cap is used up by what lines ask for, before the vault says what their locks can
    /// pay: within one batch a line that finds an empty lock takes room from the lines after it.
    /// @dev Warning: what a final line refuses its provider goes back to the tenant for good.
    /// @param batchHash EIP-712 digest of the batch's header.
    /// @param totalNano The header's, which the lines together never exceed.
    /// @param windowStart of the batch, in Unix milliseconds: a capability revoked a grace before it pays nothing.
    /// @param lines As the aggregators signed them.
    function settle(bytes32 batchHash, uint128 totalNano, uint64 windowStart, Line[] calldata lines) external;
    /// @notice Pays what the provider is owed, in the settlement asset, to its payout address; anyone may call.
    /// @dev Rounded down to whole asset units; the rest stays payable. A suspended or retired provider is still paid
    /// what it earned, and a pause does not stop it.
    /// @param providerId The provider.
    /// @return assets Units paid.
    function payProvider(uint32 providerId) external returns (uint256 assets);
    /// @notice Pays collected fees to the recipient the governor set, rounded down likewise; anyone may call.
    /// @return assets Units paid.
    function payFees() external returns (uint256 assets);
}
