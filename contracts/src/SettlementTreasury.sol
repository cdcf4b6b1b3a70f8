// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICreditVault} from "./interfaces/ICreditVault.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {ISettlementTreasury} from "./interfaces/ISettlementTreasury.sol";
import {Book, BookLib} from "./libraries/BookLib.sol";
import {ChargeBuffer, ChargeBufferLib} from "./libraries/ChargeBufferLib.sol";
import {Cursor, CursorLib} from "./libraries/CursorLib.sol";
import {LineLib} from "./libraries/LineLib.sol";
import {Line, LineOutcome, LineStatus, LineTerms} from "./types/Line.sol";

/// @title SettlementTreasury
/// @notice Pays providers and fees out of the locks, within four bounds.
contract SettlementTreasury is ISettlementTreasury {
    using BookLib for Book;
    using CursorLib for Cursor;
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

    // The one deployment predicts the addresses, and Check.s.sol reads each back.
    // slither-disable-next-line missing-zero-check
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
        if (lines.length == 0) {
            emit BatchSettled(batchHash, 0, 0, 0);
            return;
        }
        Terms memory terms = _terms(totalNano);
        ChargeBuffer charges = ChargeBufferLib.create(lines.length);
        bytes memory verdicts = _screen(lines, terms, charges);
        // This `send` is ChargeBufferLib's, which passes a revert on; it sends no ether.
        // solhint-disable-next-line check-send-result
        charges.send(vault, windowStart);
        // It begins with zeros.
        // slither-disable-next-line uninitialized-local
        Book memory book;
        _book(lines, terms, charges, verdicts, book);
        // The vault is the only contract called, and it calls nobody.
        // solhint-disable-next-line reentrancy
        if (book.feeNano != 0) feesPayable += book.feeNano.toUint128();
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
        // Of a sum kept here, to which no stranger can add.
        // slither-disable-next-line incorrect-equality
        if (amountNano == 0) revert SettlementTreasury_NothingPayable(providerId);
        _accounts[providerId].payableNano = payableNano - amountNano;
        // What is owed was taken off above; only the event is left.
        // slither-disable-next-line reentrancy-events
        assets = ICreditVault(vault).withdraw(amountNano, payout);
        emit ProviderPaid(providerId, payout, assets, amountNano);
    }

    /// @inheritdoc ISettlementTreasury
    function payFees() external returns (uint256 assets) {
        address recipient = address(uint160(IParamGovernor(governor).param("feeRecipient")));
        uint128 amountNano = _wholeAssetUnits(feesPayable);
        // Of a sum kept here, to which no stranger can add.
        // slither-disable-next-line incorrect-equality
        if (amountNano == 0) revert SettlementTreasury_NothingPayable(0);
        feesPayable -= amountNano;
        // What is owed was taken off above; only the event is left.
        // slither-disable-next-line reentrancy-events
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
        // It begins with zeros.
        // slither-disable-next-line uninitialized-local
        Cursor memory cursor;
        cursor.leftNano = terms.totalNano;
        (uint256 at, uint256 end) = LineLib.bounds(lines);
        while (at != end) {
            if (!cursor.chargePlain(at, charges)) {
                LineStatus verdict = _screenLine(at, terms, charges, cursor);
                if (verdict != LineStatus.None) {
                    if (verdicts.length == 0) verdicts = new bytes(lines.length);
                    verdicts[lines.length - (end - at) / LineLib.SIZE] = bytes1(uint8(verdict));
                }
            }
            unchecked {
                at += LineLib.SIZE;
            }
        }
    }

    /// @dev A line out of order, or above the total, is not charged at all: its lock stays as it is, so that a later
    /// batch can still settle it. A line whose provider may not be paid still closes its lock if it is final.
    function _screenLine(uint256 at, Terms memory terms, ChargeBuffer charges, Cursor memory cursor)
        private
        view
        returns (LineStatus verdict)
    {
        (bytes32 jobId, LineTerms line) = LineLib.read(at);
        uint32 providerId = line.providerId();
        if (providerId != cursor.providerId) {
            if (providerId < cursor.providerId) return LineStatus.NotAscending;
            _moveTo(providerId, terms, cursor);
        } else if (jobId <= cursor.jobId) {
            return LineStatus.NotAscending;
        }
        cursor.jobId = jobId;

        uint256 amountNano = line.amountNano();
        uint256 leftNano = cursor.leftNano;
        if (amountNano > leftNano) return LineStatus.OverBatchTotal;
        uint256 roomNano = cursor.roomNano;
        unchecked {
            cursor.leftNano = leftNano - amountNano;
            if (!cursor.isActive) {
                (verdict, amountNano) = (LineStatus.ProviderInactive, 0);
            } else if (amountNano > roomNano) {
                // Counted here, not a balance.
                // slither-disable-next-line incorrect-equality
                verdict = roomNano == 0 ? LineStatus.ProviderCapReached : LineStatus.PaidInPart;
                amountNano = roomNano;
            }
            cursor.roomNano = roomNano - amountNano;
        }
        charges.push(jobId, amountNano, line.isFinal());
    }

    function _moveTo(uint32 providerId, Terms memory terms, Cursor memory cursor) private view {
        cursor.providerId = providerId;
        // The system's own registry, asked once per provider; whoever sends the batch pays for it.
        // slither-disable-next-line calls-loop
        cursor.isActive = IProviderRegistry(registry).isActive(providerId);
        cursor.roomNano = _roomUnderCap(providerId, terms);
    }

    /// @dev Books what the vault charged, and emits one event per line.
    function _book(
        Line[] calldata lines,
        Terms memory terms,
        ChargeBuffer charges,
        bytes memory verdicts,
        Book memory book
    ) private {
        (book.result, book.feeBps) = (charges.firstResult(), terms.feeBps);
        (uint256 at, uint256 end) = LineLib.bounds(lines);
        while (at != end) {
            LineStatus verdict = LineStatus.None;
            if (verdicts.length != 0) {
                verdict = LineStatus(uint8(verdicts[lines.length - (end - at) / LineLib.SIZE]));
            }
            _bookLine(at, verdict, terms, book);
            unchecked {
                at += LineLib.SIZE;
            }
        }
        _creditProvider(book, terms);
    }

    function _bookLine(uint256 at, LineStatus verdict, Terms memory terms, Book memory book) private {
        (bytes32 jobId, LineTerms line) = LineLib.read(at);
        uint256 providerId = line.providerId();
        LineOutcome outcome;
        if (verdict == LineStatus.NotAscending || verdict == LineStatus.OverBatchTotal) {
            outcome = LineLib.packOutcome(0, 0, 0, line.receiptCount(), verdict);
        } else {
            if (providerId != book.providerId) {
                _creditProvider(book, terms);
                book.providerId = providerId;
            }
            outcome = book.add(line);
            if (verdict != LineStatus.None) {
                outcome = outcome.withStatus(_statusOf(verdict, outcome.status()));
            }
        }
        outcome.emitSettled(jobId, providerId);
    }

    /// @dev Credits the present provider with what was booked since the last one was.
    function _creditProvider(Book memory book, Terms memory terms) private {
        uint256 paidNano = book.paidNano - book.creditedPaidNano;
        // Counted here, not a balance.
        // slither-disable-next-line incorrect-equality
        if (paidNano == 0) return;
        uint256 feeNano = book.feeNano - book.creditedFeeNano;
        (book.creditedPaidNano, book.creditedFeeNano) = (book.paidNano, book.feeNano);

        Account memory account = _accounts[uint32(book.providerId)];
        if (account.windowIndex != terms.windowIndex) {
            (account.windowPaidNano, account.windowIndex) = (0, terms.windowIndex);
        }
        account.payableNano += (paidNano - feeNano).toUint128();
        // The screening kept it within the room under the cap, so it fits.
        account.windowPaidNano += paidNano.toUint64();
        _accounts[uint32(book.providerId)] = account;
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
        // The number of a window, not a balance.
        // slither-disable-next-line incorrect-equality
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
