// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICreditVault} from "./interfaces/ICreditVault.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {ISettlementTreasury} from "./interfaces/ISettlementTreasury.sol";
import {ChargeBuffer, ChargeBufferLib} from "./libraries/ChargeBufferLib.sol";
import {LineLib} from "./libraries/LineLib.sol";
import {Line, LineOutcome, LineStatus, LineTerms} from "./types/Line.sol";

/// @title SettlementTreasury
/// @notice Pays providers and fees out of the locks, within four bounds.
contract SettlementTreasury is ISettlementTreasury {
    using LineLib for LineTerms;
    using SafeCast for uint256;

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

    /// @dev Where the screening of a batch stands: the last line in order, and what its provider may still get.
    /// Whole words, as in Book: memory packs nothing, and a narrow member costs a mask at every access.
    struct Cursor {
        uint32 providerId;
        bytes32 jobId;
        bool isActive;
        uint256 roomNano;
        uint256 leftNano;
    }

    /// @dev What the lines booked so far came to, and how much of it their providers were credited with. The difference
    /// belongs to the present provider, whose lines stand together.
    struct Book {
        uint32 providerId;
        uint256 nextCharge;
        uint256 paidNano;
        uint256 feeNano;
        uint256 releasedNano;
        uint256 creditedPaidNano;
        uint256 creditedFeeNano;
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
        Book memory book;
        if (lines.length != 0) {
            Terms memory terms = _terms(totalNano);
            ChargeBuffer charges = ChargeBufferLib.create(lines.length);
            bytes memory verdicts = _screen(lines, terms, charges);
            // This `send` is ChargeBufferLib's, which passes a revert on; it sends no ether.
            // solhint-disable-next-line check-send-result
            charges.send(vault, windowStart);
            _book(lines, terms, charges, verdicts, book);
            // The vault is the only contract called, and it calls nobody.
            // solhint-disable-next-line reentrancy
            if (book.feeNano != 0) feesPayable += book.feeNano.toUint128();
        }
        emit BatchSettled(
            batchHash, book.paidNano.toUint128(), book.feeNano.toUint128(), book.releasedNano.toUint128()
        );
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

    /// @dev Decides, before any money moves, what of each line may be charged. A verdict, one byte per line, is None
    /// where the line's fate is the vault's alone; `verdicts` is empty where every verdict would be.
    function _screen(Line[] calldata lines, Terms memory terms, ChargeBuffer charges)
        private
        view
        returns (bytes memory verdicts)
    {
        Cursor memory cursor;
        cursor.leftNano = terms.totalNano;
        for (uint256 i = 0; i < lines.length; ++i) {
            LineStatus verdict = _screenLine(lines[i], terms, charges, cursor);
            if (verdict == LineStatus.None) continue;
            if (verdicts.length == 0) verdicts = new bytes(lines.length);
            verdicts[i] = bytes1(uint8(verdict));
        }
    }

    /// @dev A line out of order, or above the total, is not charged at all: its lock stays as it is, so that a later
    /// batch can still settle it. A line whose provider may not be paid still closes its lock if it is final.
    function _screenLine(Line calldata line, Terms memory terms, ChargeBuffer charges, Cursor memory cursor)
        private
        view
        returns (LineStatus verdict)
    {
        bytes32 jobId = line.jobId;
        uint32 providerId = line.terms.providerId();
        if (providerId == cursor.providerId) {
            if (jobId <= cursor.jobId) return LineStatus.NotAscending;
        } else {
            if (providerId < cursor.providerId) return LineStatus.NotAscending;
            cursor.providerId = providerId;
            cursor.isActive = IProviderRegistry(registry).isActive(providerId);
            cursor.roomNano = _roomUnderCap(providerId, terms);
        }
        cursor.jobId = jobId;

        uint256 amountNano = line.terms.amountNano();
        if (amountNano > cursor.leftNano) return LineStatus.OverBatchTotal;
        uint256 roomNano = cursor.roomNano;
        unchecked {
            cursor.leftNano -= amountNano;
            if (!cursor.isActive) {
                (verdict, amountNano) = (LineStatus.ProviderInactive, 0);
            } else if (amountNano > roomNano) {
                verdict = roomNano == 0 ? LineStatus.ProviderCapReached : LineStatus.PaidInPart;
                amountNano = roomNano;
            }
            cursor.roomNano = roomNano - amountNano;
        }
        charges.push(jobId, amountNano, line.terms.isFinal());
    }

    /// @dev Books what the vault charged, and emits one event per line.
    function _book(
        Line[] calldata lines,
        Terms memory terms,
        ChargeBuffer charges,
        bytes memory verdicts,
        Book memory book
    ) private {
        for (uint256 i = 0; i < lines.length; ++i) {
            Line calldata line = lines[i];
            LineTerms lineTerms = line.terms;
            LineStatus verdict = verdicts.length == 0 ? LineStatus.None : LineStatus(uint8(verdicts[i]));
            LineOutcome outcome;
            if (verdict == LineStatus.NotAscending || verdict == LineStatus.OverBatchTotal) {
                outcome = LineLib.packOutcome(0, 0, 0, lineTerms.receiptCount(), verdict);
            } else {
                if (lineTerms.providerId() != book.providerId) {
                    _creditProvider(book, terms);
                    book.providerId = lineTerms.providerId();
                }
                outcome = _bookCharge(lineTerms, verdict, terms.feeBps, charges, book);
            }
            emit LineSettled(line.jobId, lineTerms.providerId(), outcome);
        }
        _creditProvider(book, terms);
    }

    /// @dev Nothing overflows: the vault never pays above the charge, and fewer than 2^64 lines fit into a block.
    function _bookCharge(
        LineTerms line,
        LineStatus verdict,
        uint256 feeBps,
        ChargeBuffer charges,
        Book memory book
    ) private pure returns (LineOutcome) {
        unchecked {
            (uint64 paidNano, uint64 releasedNano, LineStatus status) = charges.resultAt(book.nextCharge++);
            if (verdict != LineStatus.None) status = _statusOf(verdict, status);
            // forge-lint: disable-next-line(unsafe-typecast)
            uint64 feeNano = uint64(paidNano * feeBps / BPS);
            book.paidNano += paidNano;
            book.feeNano += feeNano;
            book.releasedNano += releasedNano;
            return LineLib.packOutcome(paidNano, feeNano, releasedNano, line.receiptCount(), status);
        }
    }

    /// @dev Credits the present provider with what was booked since the last one was.
    function _creditProvider(Book memory book, Terms memory terms) private {
        uint256 paidNano = book.paidNano - book.creditedPaidNano;
        if (paidNano == 0) return;
        uint256 feeNano = book.feeNano - book.creditedFeeNano;
        (book.creditedPaidNano, book.creditedFeeNano) = (book.paidNano, book.feeNano);

        Account memory account = _accounts[book.providerId];
        if (account.windowIndex != terms.windowIndex) {
            (account.windowPaidNano, account.windowIndex) = (0, terms.windowIndex);
        }
        account.payableNano += (paidNano - feeNano).toUint128();
        // The screening kept it within the room under the cap, so it fits.
        account.windowPaidNano += paidNano.toUint64();
        _accounts[book.providerId] = account;
    }

    function _terms(uint128 totalNano) private view returns (Terms memory terms) {
        // UsageReceipts and the vault have looked at the pause.
        // slither-disable-next-line unused-return
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
        // Rounding down, not a draw of lots.
        // slither-disable-next-line weak-prng
        return amountNano - amountNano % uint128(ICreditVault(vault).nanoPerAssetUnit());
    }

    /// @dev A verdict stands, but for a line the cap cut short: the vault may know better why it paid less.
    function _statusOf(LineStatus verdict, LineStatus charged) private pure returns (LineStatus) {
        if (verdict == LineStatus.PaidInPart && charged != LineStatus.Paid) return charged;
        return verdict;
    }
}
