// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ChannelsInvariants} from "./Channels.sol";
import {GovernanceInvariants} from "./Governance.sol";
import {MoneyInvariants} from "./Money.sol";
import {RebuildInvariants} from "./Rebuild.sol";
import {SettlementInvariants} from "./Settlement.sol";

/// @notice Every invariant, in one campaign: each state that a handler's call leaves is judged by all of them. A campaign
/// of its own for each would repeat the same calls once per invariant, forty times as long for the same states.
contract SystemInvariantTest is
    MoneyInvariants,
    SettlementInvariants,
    ChannelsInvariants,
    GovernanceInvariants,
    RebuildInvariants
{
    function setUp()
        public
        override(
            MoneyInvariants,
            SettlementInvariants,
            ChannelsInvariants,
            GovernanceInvariants,
            RebuildInvariants
        )
    {
        super.setUp();
    }

    /// @dev Without this the campaign could pass because it judges nothing, or not say which invariant failed.
    function test_EachBrokenInvariantIsReportedByItsId() public {
        this.invariant_EachHolds();
        bytes32[21] memory ids = [
            bytes32("INV-05"),
            "INV-07",
            "INV-08",
            "INV-09",
            "INV-12",
            "INV-13",
            "INV-14",
            "INV-15",
            "INV-16",
            "INV-19",
            "INV-20",
            "INV-21",
            "INV-22",
            "INV-23",
            "INV-24",
            "INV-25",
            "INV-26",
            "INV-27",
            "INV-28",
            "INV-29",
            "INV-34"
        ];
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 before = vm.snapshotState();
            store.violate(ids[i], "seen broken");
            string memory id = string(bytes.concat(bytes6(ids[i])));
            vm.expectRevert(bytes(string.concat(id, ": seen broken")));
            this.invariant_EachHolds();
            vm.revertToState(before);
        }
    }
}
