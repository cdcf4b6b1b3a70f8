// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {InvariantTest, State} from "./InvariantTest.sol";
import {Ledger} from "./Ledger.sol";

/// @notice INV-22 to INV-24: what a channel may pay, and how it ends.
abstract contract ChannelsInvariants is InvariantTest {
    function setUp() public virtual override {
        super.setUp();
        add("INV-22", this.INV22_ClaimsNeverExceedDepositOrVoucher.selector);
        add("INV-23", this.INV23_AChannelOpensOnceAndClosesOnce.selector);
        add("INV-24", this.INV24_AClosedChannelPaidOutItsDeposit.selector);
    }

    function INV22_ClaimsNeverExceedDepositOrVoucher(State calldata state) external view {
        for (uint256 i = 0; i < state.channelIds.length; ++i) {
            ISessionChannels.Channel calldata channel = state.channels[i];
            assertLe(channel.claimedNano, channel.depositNano);
            assertLe(channel.claimedNano, store.largestVoucherNano(state.channelIds[i]));
        }
        assertKept("INV-22");
    }

    function INV23_AChannelOpensOnceAndClosesOnce(State calldata state) external view {
        for (uint256 i = 0; i < state.channelIds.length; ++i) {
            bool isClosed = state.channels[i].state == ISessionChannels.ChannelState.Closed;
            assertEq(state.channelEntries[i].timesOpened, 1);
            assertEq(state.channelEntries[i].timesClosed, isClosed ? 1 : 0);
        }
        assertKept("INV-23");
    }

    /// @dev The payer gets the rest, no more; and neither side can end a channel in the other's way.
    function INV24_AClosedChannelPaidOutItsDeposit(State calldata state) external view {
        for (uint256 i = 0; i < state.channelEntries.length; ++i) {
            Ledger.ChannelEntry calldata entry = state.channelEntries[i];
            if (entry.timesClosed == 0) assertEq(entry.refundedNano, 0);
            else assertEq(entry.claimedNano + entry.refundedNano, entry.depositNano);
        }
        assertKept("INV-24");
    }

    /// @dev Shows that the handler reaches every end of a channel.
    function test_Handlers_UseChannels() public {
        channels.open(0, 1, "a", 5e9);
        channels.open(2, 1, "b", 5e9);
        channels.open(3, 1, "c", 5e9);
        channels.claim(0, 3e9);
        channels.claimMany(2, [uint64(1e9), 1e9, 1e9], false);
        channels.close(1, 2e9);
        channels.startExit(2);
        governance.wait(5 days);
        channels.exit(2);
        assertEq(channelAt(0).claimedNano, 3e9);
        assertEq(uint8(channelAt(1).state), uint8(ISessionChannels.ChannelState.Closed));
        assertEq(uint8(channelAt(2).state), uint8(ISessionChannels.ChannelState.Closed));
    }
}
