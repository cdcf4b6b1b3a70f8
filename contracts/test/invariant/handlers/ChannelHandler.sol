// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";
import {ISessionChannels} from "../../../src/interfaces/ISessionChannels.sol";
import {SessionChannels} from "../../../src/SessionChannels.sol";

/// @notice A payer and a payee who open, fund, claim, close and exit in any order, and a payee who asks for too much.
contract ChannelHandler is CommonBase, StdUtils {
    uint256 private constant CHANNELS = 5;

    SessionChannels private immutable _channels;
    address private immutable _payer;
    uint256 private immutable _payerKey;
    address private immutable _payee;

    bytes32[] internal channelIds;
    mapping(bytes32 channelId => uint64 cumulativeNano) public largestVoucherNano;
    mapping(bytes32 channelId => uint256 paidNano) public paidNano;
    uint256 public totalPaidNano;

    constructor(SessionChannels channels, address payer, uint256 payerKey, address payee) {
        (_channels, _payer, _payerKey, _payee) = (channels, payer, payerKey, payee);
    }

    function open(uint256 salt, uint64 depositNano) external {
        vm.prank(_payer);
        channelIds.push(_channels.open(_payee, bytes32(salt % CHANNELS), uint64(bound(depositNano, 1, 1e9))));
    }

    function fund(uint256 index, uint64 amountNano) external {
        bytes32 channelId = _pick(index);
        vm.prank(_payer);
        _channels.fund(channelId, uint64(bound(amountNano, 1, 1e9)));
    }

    /// @dev The payer may sign more than the deposit; that voucher is worth nothing until the channel is funded.
    function claim(uint256 index, uint64 cumulativeNano) external {
        bytes32 channelId = _pick(index);
        cumulativeNano = uint64(bound(cumulativeNano, 0, 2e9));
        ISessionChannels.Voucher memory voucher = _sign(channelId, cumulativeNano);
        _book(channelId, _channels.claim(voucher, _signature(voucher)));
    }

    function claimMany(uint256 index, uint64 first, uint64 second) external {
        ISessionChannels.Voucher[] memory vouchers = new ISessionChannels.Voucher[](2);
        bytes[] memory signatures = new bytes[](2);
        vouchers[0] = _sign(_pick(index), uint64(bound(first, 0, 2e9)));
        vouchers[1] = _sign(_pick(index / 2), uint64(bound(second, 0, 2e9)));
        (signatures[0], signatures[1]) = (_signature(vouchers[0]), _signature(vouchers[1]));
        uint64[] memory amounts = _channels.claimMany(vouchers, signatures);
        _book(vouchers[0].channelId, amounts[0]);
        _book(vouchers[1].channelId, amounts[1]);
    }

    function forge(uint256 index, uint64 cumulativeNano, uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        ISessionChannels.Voucher memory voucher =
            ISessionChannels.Voucher({channelId: _pick(index), cumulativeNano: cumulativeNano});
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _channels.hashVoucher(voucher));
        _book(voucher.channelId, _channels.claim(voucher, abi.encodePacked(r, s, v)));
    }

    function close(uint256 index, uint64 cumulativeNano) external {
        bytes32 channelId = _pick(index);
        uint64 claimedNano = _channels.channelOf(channelId).claimedNano;
        ISessionChannels.Voucher memory voucher = _sign(channelId, uint64(bound(cumulativeNano, 0, 2e9)));
        bytes memory signature = _signature(voucher);
        vm.prank(_payee);
        _channels.close(voucher, signature);
        _book(channelId, _channels.channelOf(channelId).claimedNano - claimedNano);
    }

    function startExit(uint256 index) external {
        bytes32 channelId = _pick(index);
        vm.prank(_payer);
        _channels.startExit(channelId);
    }

    function exit(uint256 index, uint256 elapsedSeconds) external {
        vm.warp(block.timestamp + bound(elapsedSeconds, 0, 2 days));
        _channels.exit(_pick(index));
    }

    function channelIdAt(uint256 index) external view returns (bytes32) {
        return channelIds[index];
    }

    function channelCount() external view returns (uint256) {
        return channelIds.length;
    }

    function _book(bytes32 channelId, uint256 amountNano) private {
        paidNano[channelId] += amountNano;
        totalPaidNano += amountNano;
    }

    function _sign(bytes32 channelId, uint64 cumulativeNano)
        private
        returns (ISessionChannels.Voucher memory voucher)
    {
        if (cumulativeNano > largestVoucherNano[channelId]) {
            largestVoucherNano[channelId] = cumulativeNano;
        }
        return ISessionChannels.Voucher({channelId: channelId, cumulativeNano: cumulativeNano});
    }

    function _signature(ISessionChannels.Voucher memory voucher) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_payerKey, _channels.hashVoucher(voucher));
        return abi.encodePacked(r, s, v);
    }

    function _pick(uint256 index) private view returns (bytes32) {
        return channelIds[index % channelIds.length];
    }
}
