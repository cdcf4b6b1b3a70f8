// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {SystemTest} from "../utils/SystemTest.sol";
import {ChannelHandler} from "./handlers/ChannelHandler.sol";

contract ChannelsInvariantTest is SystemTest {
    uint256 private constant CREDIT_NANO = 1e12;

    ChannelHandler private _handler;
    address private _payer;
    address private _payee = makeAddr("payee");

    function setUp() public override {
        super.setUp();
        uint256 payerKey;
        (_payer, payerKey) = makeAddrAndKey("payer");
        fund(_payer, CREDIT_NANO);
        _handler = new ChannelHandler(system.channels, _payer, payerKey, _payee);
        targetContract(address(_handler));
    }

    function invariant_ClaimsNeverExceedDepositOrVoucher() public view {
        for (uint256 i = 0; i < _handler.channelCount(); ++i) {
            bytes32 channelId = _handler.channelIdAt(i);
            ISessionChannels.Channel memory channel = system.channels.channelOf(channelId);
            assertLe(channel.claimedNano, channel.depositNano);
            assertLe(channel.claimedNano, _handler.largestVoucherNano(channelId));
            assertEq(channel.claimedNano, _handler.paidNano(channelId));
        }
    }

    /// @dev The channels' account holds exactly what open channels have not paid yet; nothing appears or is lost.
    function invariant_CreditIsConserved() public view {
        uint256 heldNano;
        for (uint256 i = 0; i < _handler.channelCount(); ++i) {
            ISessionChannels.Channel memory channel = system.channels.channelOf(_handler.channelIdAt(i));
            if (channel.state == ISessionChannels.ChannelState.Closed) continue;
            heldNano += channel.depositNano - channel.claimedNano;
        }
        assertEq(system.vault.balanceOf(address(system.channels)), heldNano);
        assertEq(system.vault.balanceOf(_payee), _handler.totalPaidNano());
        assertEq(system.vault.balanceOf(_payer), CREDIT_NANO - heldNano - _handler.totalPaidNano());
    }
}
