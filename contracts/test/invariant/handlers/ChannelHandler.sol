// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Deployment} from "../../../script/Deployment.sol";
import {ISessionChannels} from "../../../src/interfaces/ISessionChannels.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";
import {Ledger} from "../Ledger.sol";
import {Store} from "../Store.sol";
import {Handler} from "./Handler.sol";

/// @notice Payers and payees who open, fund, claim, close and exit in any order, and payees who ask for too much.
contract ChannelHandler is Handler {
    constructor(Deployment.Contracts memory system_, MockUSDC usdc_, Store store_, Ledger ledger_)
        Handler(system_, usdc_, store_, ledger_)
    {}

    function open(uint256 payer, uint256 payee, bytes32 salt, uint256 depositNano) external recorded {
        address from = store.actorAt(payer).account;
        address to = store.actorAt(payee).account;
        uint256 most = system.vault.balanceOf(from);
        if (most == 0) return;
        uint64 nano = uint64(bound(depositNano, 1, most < 10e9 ? most : 10e9));
        bytes32 channelId = system.channels.channelIdOf(from, to, salt);
        if (_stateOf(channelId) != ISessionChannels.ChannelState.None) {
            bytes memory call_ = abi.encodeCall(ISessionChannels.open, (to, salt, nano));
            mustFail("INV-23", from, address(system.channels), call_);
            return;
        }
        vm.prank(from);
        system.channels.open(to, salt, nano);
        store.addChannel(channelId);
    }

    function fund(uint256 index, uint256 amountNano) external recorded {
        if (store.channelCount() == 0) return;
        bytes32 channelId = store.channelAt(index);
        ISessionChannels.Channel memory channel = system.channels.channelOf(channelId);
        uint256 most = system.vault.balanceOf(channel.payer);
        if (most == 0) return;
        uint64 nano = uint64(bound(amountNano, 1, most < 10e9 ? most : 10e9));
        if (channel.state != ISessionChannels.ChannelState.Open) {
            bytes memory call_ = abi.encodeCall(ISessionChannels.fund, (channelId, nano));
            mustFail("INV-23", channel.payer, address(system.channels), call_);
            return;
        }
        vm.prank(channel.payer);
        system.channels.fund(channelId, nano);
    }

    /// @dev The payer may sign more than the deposit; that voucher is worth nothing until the channel is funded.
    function claim(uint256 index, uint256 cumulativeNano) external recorded {
        if (store.channelCount() == 0) return;
        bytes32 channelId = store.channelAt(index);
        ISessionChannels.Channel memory channel = system.channels.channelOf(channelId);
        (ISessionChannels.Voucher memory voucher, bytes memory signature) =
            _sign(channelId, uint64(bound(cumulativeNano, 0, uint256(channel.depositNano) * 2)));
        bool isGood = channel.state != ISessionChannels.ChannelState.Closed
            && voucher.cumulativeNano > channel.claimedNano && voucher.cumulativeNano <= channel.depositNano;
        if (!isGood) {
            bytes memory call_ = abi.encodeCall(ISessionChannels.claim, (voucher, signature));
            mustFail("INV-22", address(this), address(system.channels), call_);
            return;
        }
        uint64 paidNano = system.channels.claim(voucher, signature);
        require_(paidNano == voucher.cumulativeNano - channel.claimedNano, "INV-22", "another claim was paid");
    }

    /// @dev Vouchers of several channels, the second now and then signed by nobody: it is skipped, never paid.
    function claimMany(uint256 index, uint64[3] calldata amounts, bool isForged) external recorded {
        if (store.channelCount() == 0) return;
        ISessionChannels.Voucher[] memory vouchers = new ISessionChannels.Voucher[](3);
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 channelId = store.channelAt(index / (i + 1));
            uint256 most = uint256(system.channels.channelOf(channelId).depositNano) + 1;
            (vouchers[i], signatures[i]) = _sign(channelId, uint64(bound(amounts[i], 0, most)));
        }
        if (isForged) signatures[1] = signWith(uint256(keccak256("forger")), bytes32(0));
        uint64[] memory paidNano = system.channels.claimMany(vouchers, signatures);
        require_(!isForged || paidNano[1] == 0, "INV-22", "a forged voucher was paid");
    }

    function forge(uint256 index, uint256 key) external recorded {
        if (store.channelCount() == 0) return;
        bytes32 channelId = store.channelAt(index);
        ISessionChannels.Channel memory channel = system.channels.channelOf(channelId);
        ISessionChannels.Voucher memory voucher =
            ISessionChannels.Voucher({channelId: channelId, cumulativeNano: channel.depositNano});
        key = bound(key, 1, type(uint128).max);
        bytes memory signature = signWith(key, system.channels.hashVoucher(voucher));
        bytes memory call_ = abi.encodeCall(ISessionChannels.claim, (voucher, signature));
        mustFail("INV-22", channel.payee, address(system.channels), call_);
    }

    function close(uint256 index, uint256 cumulativeNano) external recorded {
        if (store.channelCount() == 0) return;
        bytes32 channelId = store.channelAt(index);
        ISessionChannels.Channel memory channel = system.channels.channelOf(channelId);
        if (channel.state == ISessionChannels.ChannelState.Closed) return;
        (ISessionChannels.Voucher memory voucher, bytes memory signature) =
            _sign(channelId, uint64(bound(cumulativeNano, 0, channel.depositNano)));
        bytes memory call_ = abi.encodeCall(ISessionChannels.close, (voucher, signature));
        if (channel.payee != channel.payer) {
            mustFail("INV-24", channel.payer, address(system.channels), call_);
        }
        vm.prank(channel.payee);
        system.channels.close(voucher, signature);
    }

    function startExit(uint256 index) external recorded {
        if (store.channelCount() == 0) return;
        bytes32 channelId = store.channelAt(index);
        ISessionChannels.Channel memory channel = system.channels.channelOf(channelId);
        bytes memory call_ = abi.encodeCall(ISessionChannels.startExit, (channelId));
        if (channel.payee != channel.payer) {
            mustFail("INV-24", channel.payee, address(system.channels), call_);
        }
        if (channel.state != ISessionChannels.ChannelState.Open) return;
        vm.prank(channel.payer);
        system.channels.startExit(channelId);
    }

    function exit(uint256 index) external recorded {
        if (store.channelCount() == 0) return;
        bytes32 channelId = store.channelAt(index);
        ISessionChannels.Channel memory channel = system.channels.channelOf(channelId);
        if (channel.state != ISessionChannels.ChannelState.Closing || nowSeconds() < channel.exitAt) {
            bytes memory call_ = abi.encodeCall(ISessionChannels.exit, (channelId));
            mustFail("INV-24", channel.payer, address(system.channels), call_);
            return;
        }
        system.channels.exit(channelId);
    }

    function _sign(bytes32 channelId, uint64 cumulativeNano)
        private
        returns (ISessionChannels.Voucher memory voucher, bytes memory signature)
    {
        store.noteVoucher(channelId, cumulativeNano);
        voucher = ISessionChannels.Voucher({channelId: channelId, cumulativeNano: cumulativeNano});
        address payer = system.channels.channelOf(channelId).payer;
        signature = signWith(store.keyOf(payer), system.channels.hashVoucher(voucher));
    }

    function _stateOf(bytes32 channelId) private view returns (ISessionChannels.ChannelState) {
        return system.channels.channelOf(channelId).state;
    }
}
