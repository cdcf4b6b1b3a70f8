// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {InvariantTest} from "./InvariantTest.sol";
import {Ledger} from "./Ledger.sol";

/// @notice INV-22 to INV-24: what a channel may pay, and how it ends.
contract ChannelsInvariantTest is InvariantTest {
    function invariant_INV22_ClaimsNeverExceedDepositOrVoucher() public view {
        for (uint256 i = 0; i < store.channelCount(); ++i) {
            bytes32 channelId = store.channelAt(i);
            assertLe(channelAt(i).claimedNano, channelAt(i).depositNano);
            assertLe(channelAt(i).claimedNano, store.largestVoucherNano(channelId));
        }
        assertKept("INV-22");
    }

    function invariant_INV23_AChannelOpensOnceAndClosesOnce() public view {
        for (uint256 i = 0; i < store.channelCount(); ++i) {
            Ledger.ChannelEntry memory entry = ledger.channelOf(store.channelAt(i));
            bool isClosed = channelAt(i).state == ISessionChannels.ChannelState.Closed;
            assertEq(entry.timesOpened, 1);
            assertEq(entry.timesClosed, isClosed ? 1 : 0);
        }
        assertKept("INV-23");
    }

    /// @dev The payer gets the rest, no more; and neither side can end a channel in the other's way.
    function invariant_INV24_AClosedChannelPaidOutItsDeposit() public view {
        for (uint256 i = 0; i < store.channelCount(); ++i) {
            Ledger.ChannelEntry memory entry = ledger.channelOf(store.channelAt(i));
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
