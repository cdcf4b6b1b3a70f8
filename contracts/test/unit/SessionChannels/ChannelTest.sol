// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISessionChannels} from "../../../src/interfaces/ISessionChannels.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

/// @notice One open channel of 1,000 nanocredits, and hands to sign its vouchers.
abstract contract ChannelTest is SystemTest {
    uint64 internal constant DEPOSIT_NANO = 1000;

    address internal payer;
    uint256 internal payerKey;
    address internal payee = makeAddr("payee");
    bytes32 internal channelId;

    function setUp() public virtual override {
        super.setUp();
        (payer, payerKey) = makeAddrAndKey("payer");
        fund(payer, 1_000_000);
        channelId = open("salt", payee, DEPOSIT_NANO);
    }

    function open(bytes32 salt, address to, uint64 depositNano) internal returns (bytes32) {
        vm.prank(payer);
        return system.channels.open(to, salt, depositNano);
    }

    function voucher(bytes32 id, uint64 cumulativeNano)
        internal
        pure
        returns (ISessionChannels.Voucher memory)
    {
        return ISessionChannels.Voucher({channelId: id, cumulativeNano: cumulativeNano});
    }

    function sign(uint256 key, ISessionChannels.Voucher memory signed) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, system.channels.hashVoucher(signed));
        return abi.encodePacked(r, s, v);
    }

    function claim(bytes32 id, uint64 cumulativeNano) internal returns (uint64) {
        ISessionChannels.Voucher memory signed = voucher(id, cumulativeNano);
        return system.channels.claim(signed, sign(payerKey, signed));
    }

    function startExit() internal {
        vm.prank(payer);
        system.channels.startExit(channelId);
    }

    function wrongState(ISessionChannels.ChannelState state) internal view returns (bytes memory) {
        return abi.encodeWithSelector(ISessionChannels.SessionChannels_WrongState.selector, channelId, state);
    }

    function assertState(ISessionChannels.ChannelState state) internal view {
        assertEq(uint8(system.channels.channelOf(channelId).state), uint8(state));
    }
}
