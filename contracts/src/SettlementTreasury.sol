// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "./interfaces/ICreditVault.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {ISettlementTreasury} from "./interfaces/ISettlementTreasury.sol";
import {LineLib} from "./libraries/LineLib.sol";
import {Line, LineStatus, LineTerms} from "./types/Line.sol";

contract SettlementTreasury is ISettlementTreasury {
    using LineLib for LineTerms;

    /// @dev One slot: a batch loads and stores it once per provider, however many lines the provider has.
    struct Account {
        uint128 payableNano;
        /// @dev Fee included: what the cap bounds is what tenants lose, not what the provider keeps.
        uint64 windowPaidNano;
        uint32 windowIndex;
    }

    /// @dev What is constant through one settlement.
    struct Terms {
        uint256 feeBps;
        uint64 providerCapNano;
        uint32 windowIndex;
        uint128 totalNano;
    }

    struct Totals {
        uint128 paidNano;
        uint128 feeNano;
        uint128 releasedNano;
    }

    uint256 private constant BPS = 10_000;

    /// @inheritdoc ISettlementTreasury
    address public immutable governor;
    /// @inheritdoc ISettlementTreasury
    address public immutable vault;
    /// @inheritdoc ISettlementTreasury
    address public immutable receipts;
    /// @inheritdoc ISettlementTreasury
    address public immutable registry;

    /// @inheritdoc ISettlementTreasury
    uint128 public feesPayable;
    mapping(uint32 providerId => Account) private _accounts;

    constructor(address governor_, address vault_, address receipts_, address registry_) {
        governor = governor_;
        vault = vault_;
        receipts = receipts_;
        registry = registry_;
    }

    /// @inheritdoc ISettlementTreasury
    function settle(bytes32 batchHash, uint128 totalNano, uint64 windowStart, Line[] calldata lines)
        external
    {
        if (msg.sender != receipts) revert SettlementTreasury_NotReceipts(msg.sender);
        Totals memory totals;
        if (lines.length != 0) {
            Terms memory terms = _terms(totalNano);
            (ICreditVault.Charge[] memory charges, LineStatus[] memory verdicts) = _screen(lines, terms);
            ICreditVault.Charged[] memory charged = ICreditVault(vault).charge(charges, windowStart);
            totals = _account(lines, verdicts, charged, terms);
            if (totals.feeNano != 0) feesPayable += totals.feeNano;
        }
        emit BatchSettled(batchHash, totals.paidNano, totals.feeNano, totals.releasedNano);
    }

    /// @inheritdoc ISettlementTreasury
    function payProvider(uint32 providerId) external returns (uint256 assets) {
        address payout = IProviderRegistry(registry).payoutOf(providerId);
        if (payout == address(0)) revert SettlementTreasury_UnknownProvider(providerId);
        uint128 payableNano = _accounts[providerId].payableNano;
        uint128 amountNano = _wholeAssetUnits(payableNano);
        if (amountNano == 0) revert SettlementTreasury_NothingPayable(providerId);
        _accounts[providerId].payableNano = payableNano - amountNano;
        assets = ICreditVault(vault).withdraw(amountNano, payout);
        emit ProviderPaid(providerId, payout, assets, amountNano);
    }

    /// @inheritdoc ISettlementTreasury
    function payFees() external returns (uint256 assets) {
        address recipient = address(uint160(IParamGovernor(governor).param("feeRecipient")));
        uint128 amountNano = _wholeAssetUnits(feesPayable);
        if (amountNano == 0) revert SettlementTreasury_NothingPayable(0);
        feesPayable -= amountNano;
        assets = ICreditVault(vault).withdraw(amountNano, recipient);
        emit FeesPaid(recipient, assets, amountNano);
    }

    /// @inheritdoc ISettlementTreasury
    function payableOf(uint32 providerId) external view returns (uint128 amountNano) {
        return _accounts[providerId].payableNano;
    }

    /// @inheritdoc ISettlementTreasury
    function paidInWindow(uint32 providerId) external view returns (uint64 paidNano, uint32 windowIndex) {
        Account storage account = _accounts[providerId];
        return (account.windowPaidNano, account.windowIndex);
    }

    /// @dev Decides, before any money moves, what of each line may be charged. `verdicts` holds None for a line whose
    /// fate is the vault's alone; a line that is NotAscending or OverBatchTotal has no charge.
    function _screen(Line[] calldata lines, Terms memory terms)
        private
        view
        returns (ICreditVault.Charge[] memory charges, LineStatus[] memory verdicts)
    {
        charges = new ICreditVault.Charge[](lines.length);
        verdicts = new LineStatus[](lines.length);
        uint256 chargeCount;
        uint128 leftNano = terms.totalNano;
        uint32 providerId;
        bytes32 jobId;
        bool active;
        uint64 roomNano;
        for (uint256 i = 0; i < lines.length; ++i) {
            LineTerms line = lines[i].terms;
            uint32 lineProviderId = line.providerId();
            if (lineProviderId < providerId || (lineProviderId == providerId && lines[i].jobId <= jobId)) {
                verdicts[i] = LineStatus.NotAscending;
                continue;
            }
            jobId = lines[i].jobId;
            if (lineProviderId != providerId) {
                providerId = lineProviderId;
                active = IProviderRegistry(registry).isActive(providerId);
                roomNano = _roomUnderCap(providerId, terms);
            }
            uint64 amountNano = line.amountNano();
            if (amountNano > leftNano) {
                verdicts[i] = LineStatus.OverBatchTotal;
                continue;
            }
            leftNano -= amountNano;
            if (!active) {
                verdicts[i] = LineStatus.ProviderInactive;
                amountNano = 0;
            } else if (amountNano > roomNano) {
                verdicts[i] = roomNano == 0 ? LineStatus.ProviderCapReached : LineStatus.PaidInPart;
                amountNano = roomNano;
            }
            roomNano -= amountNano;
            ICreditVault.Charge memory charge = charges[chargeCount++];
            charge.jobId = jobId;
            charge.amountNano = amountNano;
            charge.isFinal = line.isFinal();
        }
        assembly ("memory-safe") {
            mstore(charges, chargeCount)
        }
    }

    /// @dev Books what the vault charged, and emits one event per line.
    function _account(
        Line[] calldata lines,
        LineStatus[] memory verdicts,
        ICreditVault.Charged[] memory charged,
        Terms memory terms
    ) private returns (Totals memory totals) {
        uint256 chargeIndex;
        uint32 providerId;
        uint64 runPaidNano;
        uint128 runFeeNano;
        for (uint256 i = 0; i < lines.length; ++i) {
            LineTerms line = lines[i].terms;
            LineStatus status = verdicts[i];
            if (status == LineStatus.NotAscending || status == LineStatus.OverBatchTotal) {
                emit LineSettled(
                    lines[i].jobId,
                    line.providerId(),
                    LineLib.packOutcome(0, 0, 0, line.receiptCount(), status)
                );
                continue;
            }
            if (line.providerId() != providerId) {
                _credit(providerId, runPaidNano, runFeeNano, terms);
                (providerId, runPaidNano, runFeeNano) = (line.providerId(), 0, 0);
            }
            ICreditVault.Charged memory result = charged[chargeIndex++];
            uint64 feeNano = uint64(result.paidNano * terms.feeBps / BPS);
            runPaidNano += result.paidNano;
            runFeeNano += feeNano;
            totals.paidNano += result.paidNano;
            totals.feeNano += feeNano;
            totals.releasedNano += result.releasedNano;
            emit LineSettled(
                lines[i].jobId,
                providerId,
                LineLib.packOutcome(
                    result.paidNano,
                    feeNano,
                    result.releasedNano,
                    line.receiptCount(),
                    _statusOf(status, result.status)
                )
            );
        }
        _credit(providerId, runPaidNano, runFeeNano, terms);
    }

    function _credit(uint32 providerId, uint64 paidNano, uint128 feeNano, Terms memory terms) private {
        if (paidNano == 0) return;
        Account memory account = _accounts[providerId];
        if (account.windowIndex != terms.windowIndex) {
            (account.windowPaidNano, account.windowIndex) = (0, terms.windowIndex);
        }
        account.payableNano += paidNano - feeNano;
        account.windowPaidNano += paidNano;
        _accounts[providerId] = account;
    }

    function _terms(uint128 totalNano) private view returns (Terms memory terms) {
        (uint16 feeBps, uint64 providerCapNano, uint32 capWindowSeconds,) =
            IParamGovernor(governor).settlementParams();
        return Terms({
            feeBps: feeBps,
            providerCapNano: providerCapNano,
            windowIndex: uint32(block.timestamp / capWindowSeconds),
            totalNano: totalNano
        });
    }

    function _roomUnderCap(uint32 providerId, Terms memory terms) private view returns (uint64 roomNano) {
        Account storage account = _accounts[providerId];
        uint64 usedNano = account.windowIndex == terms.windowIndex ? account.windowPaidNano : 0;
        // A cap lowered inside a window may already be exceeded.
        return usedNano < terms.providerCapNano ? terms.providerCapNano - usedNano : 0;
    }

    function _wholeAssetUnits(uint128 amountNano) private view returns (uint128) {
        return amountNano - amountNano % uint128(ICreditVault(vault).nanoPerAssetUnit());
    }

    /// @dev A verdict stands, but for a line the cap cut short: the vault may know better why it paid less.
    function _statusOf(LineStatus verdict, LineStatus charged) private pure returns (LineStatus) {
        if (verdict == LineStatus.None) return charged;
        if (verdict == LineStatus.PaidInPart && charged != LineStatus.Paid) return charged;
        return verdict;
    }
}
