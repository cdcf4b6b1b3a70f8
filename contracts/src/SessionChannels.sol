// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICreditVault} from "./interfaces/ICreditVault.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {ISessionChannels} from "./interfaces/ISessionChannels.sol";

/// @title SessionChannels
/// @notice Payment channels on the credit of the vault.
contract SessionChannels is ISessionChannels, EIP712 {
    using SafeCast for uint256;

    bytes32 private constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint64 cumulativeNano)");

    /// @dev A claim reads and writes the first two slots only; the third is the exit's.
    struct Record {
        address payer;
        uint64 depositNano;
        ChannelState state;
        address payee;
        uint64 claimedNano;
        uint40 exitAt;
    }

    /// @inheritdoc ISessionChannels
    address public immutable vault;
    /// @inheritdoc ISessionChannels
    address public immutable governor;

    mapping(bytes32 channelId => Record) private _records;

    // The one deployment predicts the addresses, and Check.s.sol reads each back.
    // slither-disable-next-line missing-zero-check
    constructor(address vault_, address governor_) EIP712("SessionChannels", "1") {
        vault = vault_;
        governor = governor_;
    }

    /// @inheritdoc ISessionChannels
    function open(address payee, bytes32 salt, uint64 depositNano) external returns (bytes32 channelId) {
        if (payee == address(0)) revert SessionChannels_ZeroAddress();
        // The vault refuses itself as a recipient, and credit paid to this contract would be lost.
        if (payee == vault || payee == address(this)) revert SessionChannels_InvalidPayee(payee);
        if (depositNano == 0) revert SessionChannels_ZeroAmount();
        channelId = channelIdOf(msg.sender, payee, salt);
        Record storage record = _records[channelId];
        if (record.state != ChannelState.None) revert SessionChannels_ChannelExists(channelId);
        record.payer = msg.sender;
        record.depositNano = depositNano;
        record.state = ChannelState.Open;
        record.payee = payee;
        emit ChannelOpened(channelId, msg.sender, payee, depositNano);
        ICreditVault(vault).pullForChannel(msg.sender, depositNano);
    }

    /// @inheritdoc ISessionChannels
    function fund(bytes32 channelId, uint64 amountNano) external {
        Record storage record = _known(channelId);
        if (msg.sender != record.payer) revert SessionChannels_NotPayer(msg.sender);
        if (record.state != ChannelState.Open) {
            revert SessionChannels_WrongState(channelId, record.state);
        }
        if (amountNano == 0) revert SessionChannels_ZeroAmount();
        uint64 depositNano = record.depositNano + amountNano;
        record.depositNano = depositNano;
        emit ChannelFunded(channelId, amountNano, depositNano);
        ICreditVault(vault).pullForChannel(msg.sender, amountNano);
    }

    /// @inheritdoc ISessionChannels
    function claim(Voucher calldata voucher, bytes calldata signature) external returns (uint64 paidNano) {
        Record storage record = _claimable(voucher.channelId);
        _checkVoucher(record, voucher, signature);
        paidNano = _redeem(record, voucher);
        ICreditVault(vault).moveCredit(record.payee, paidNano);
    }

    /// @inheritdoc ISessionChannels
    function claimMany(Voucher[] calldata vouchers, bytes[] calldata signatures)
        external
        returns (uint64[] memory paidNano)
    {
        if (vouchers.length != signatures.length) {
            revert SessionChannels_LengthMismatch(vouchers.length, signatures.length);
        }
        paidNano = new uint64[](vouchers.length);
        // Neighbours of one payee are paid in one move: that is most of a claim's cost.
        // Both begin with zero: nobody, and nothing owed.
        // slither-disable-next-line uninitialized-local
        address payee;
        // slither-disable-next-line uninitialized-local
        uint128 owedNano;
        for (uint256 i = 0; i < vouchers.length; ++i) {
            Record storage record = _records[vouchers[i].channelId];
            if (!_isRedeemable(record, vouchers[i], signatures[i])) continue;
            if (record.payee != payee) {
                // The vault is the system's own and calls nobody, so what is written after it cannot be stale.
                // slither-disable-next-line reentrancy-no-eth,reentrancy-events,calls-loop
                if (owedNano != 0) ICreditVault(vault).moveCredit(payee, owedNano);
                (payee, owedNano) = (record.payee, 0);
            }
            paidNano[i] = _redeem(record, vouchers[i]);
            owedNano += paidNano[i];
        }
        if (owedNano != 0) ICreditVault(vault).moveCredit(payee, owedNano);
    }

    /// @inheritdoc ISessionChannels
    function close(Voucher calldata lastVoucher, bytes calldata signature) external {
        bytes32 channelId = lastVoucher.channelId;
        Record storage record = _claimable(channelId);
        if (msg.sender != record.payee) revert SessionChannels_NotPayee(msg.sender);
        // Nothing, unless the last voucher says more.
        // slither-disable-next-line uninitialized-local
        uint64 paidNano;
        // Anyone may have submitted this voucher a moment ago, which must not stop the close.
        if (lastVoucher.cumulativeNano > record.claimedNano) {
            _checkVoucher(record, lastVoucher, signature);
            paidNano = _redeem(record, lastVoucher);
        }
        uint64 refundedNano = _close(record, channelId);
        if (paidNano != 0) ICreditVault(vault).moveCredit(msg.sender, paidNano);
        if (refundedNano != 0) ICreditVault(vault).moveCredit(record.payer, refundedNano);
    }

    /// @inheritdoc ISessionChannels
    function startExit(bytes32 channelId) external {
        Record storage record = _known(channelId);
        if (msg.sender != record.payer) revert SessionChannels_NotPayer(msg.sender);
        if (record.state != ChannelState.Open) {
            revert SessionChannels_WrongState(channelId, record.state);
        }
        uint40 exitAt = (block.timestamp + IParamGovernor(governor).param("channelExitSeconds")).toUint40();
        record.state = ChannelState.Closing;
        record.exitAt = exitAt;
        emit ChannelExitStarted(channelId, exitAt);
    }

    /// @inheritdoc ISessionChannels
    function exit(bytes32 channelId) external {
        Record storage record = _known(channelId);
        if (record.state != ChannelState.Closing) {
            revert SessionChannels_WrongState(channelId, record.state);
        }
        if (block.timestamp < record.exitAt) revert SessionChannels_NotYetExitable(record.exitAt);
        uint64 refundedNano = _close(record, channelId);
        if (refundedNano != 0) ICreditVault(vault).moveCredit(record.payer, refundedNano);
    }

    /// @inheritdoc ISessionChannels
    function channelOf(bytes32 channelId) external view returns (Channel memory) {
        Record storage record = _records[channelId];
        return Channel({
            payer: record.payer,
            payee: record.payee,
            depositNano: record.depositNano,
            claimedNano: record.claimedNano,
            exitAt: record.exitAt,
            state: record.state
        });
    }

    /// @inheritdoc ISessionChannels
    // The name is EIP-2612's.
    // forge-lint: disable-next-line(mixed-case-function)
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc ISessionChannels
    function channelIdOf(address payer, address payee, bytes32 salt) public view returns (bytes32 channelId) {
        return keccak256(abi.encode(block.chainid, address(this), payer, payee, salt));
    }

    /// @inheritdoc ISessionChannels
    function hashVoucher(Voucher calldata voucher) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(abi.encode(VOUCHER_TYPEHASH, voucher.channelId, voucher.cumulativeNano))
            );
    }

    /// @dev State only; the caller moves the credit.
    function _redeem(Record storage record, Voucher calldata voucher) private returns (uint64 paidNano) {
        paidNano = voucher.cumulativeNano - record.claimedNano;
        record.claimedNano = voucher.cumulativeNano;
        emit ChannelClaimed(voucher.channelId, paidNano, voucher.cumulativeNano);
    }

    /// @dev State only; the caller moves the credit.
    function _close(Record storage record, bytes32 channelId) private returns (uint64 refundedNano) {
        uint64 claimedNano = record.claimedNano;
        refundedNano = record.depositNano - claimedNano;
        record.state = ChannelState.Closed;
        emit ChannelClosed(channelId, claimedNano, refundedNano);
    }

    function _known(bytes32 channelId) private view returns (Record storage record) {
        record = _records[channelId];
        if (record.state == ChannelState.None) revert SessionChannels_UnknownChannel(channelId);
    }

    function _claimable(bytes32 channelId) private view returns (Record storage record) {
        record = _known(channelId);
        if (record.state == ChannelState.Closed) {
            revert SessionChannels_WrongState(channelId, record.state);
        }
    }

    function _checkVoucher(Record storage record, Voucher calldata voucher, bytes calldata signature)
        private
        view
    {
        bytes32 channelId = voucher.channelId;
        uint64 cumulativeNano = voucher.cumulativeNano;
        if (cumulativeNano <= record.claimedNano) {
            revert SessionChannels_NotIncreasing(channelId, record.claimedNano, cumulativeNano);
        }
        if (cumulativeNano > record.depositNano) {
            revert SessionChannels_AboveDeposit(channelId, record.depositNano, cumulativeNano);
        }
        if (!_isSigned(record, voucher, signature)) revert SessionChannels_InvalidSignature(channelId);
    }

    function _isRedeemable(Record storage record, Voucher calldata voucher, bytes calldata signature)
        private
        view
        returns (bool)
    {
        ChannelState state = record.state;
        return (state == ChannelState.Open || state == ChannelState.Closing)
            && voucher.cumulativeNano > record.claimedNano && voucher.cumulativeNano <= record.depositNano
            && _isSigned(record, voucher, signature);
    }

    function _isSigned(Record storage record, Voucher calldata voucher, bytes calldata signature)
        private
        view
        returns (bool)
    {
        return SignatureChecker.isValidSignatureNowCalldata(record.payer, hashVoucher(voucher), signature);
    }
}
