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

    /// @dev What a contract, or the ledger, would answer if money had gone astray, and the first invariant to notice.
    function test_EachWrongAnswerBreaksItsInvariant() public {
        address actor = store.actorAt(0).account;
        _expectBroken("INV-01", address(usdc), abi.encodeCall(usdc.balanceOf, (address(system.vault))));
        _expectBroken(
            "INV-02",
            address(system.vault),
            abi.encodeCall(system.vault.balanceOf, (address(system.treasury)))
        );
        _expectBroken("INV-03", address(system.treasury), abi.encodeCall(system.treasury.feesPayable, ()));
        _expectBroken(
            "INV-05",
            address(system.token),
            abi.encodeCall(system.token.balanceOf, (address(system.registry)))
        );
        _expectBroken("INV-06", address(system.token), abi.encodeCall(system.token.balanceOf, (actor)));
        _expectBroken("INV-11", address(system.receipts), abi.encodeCall(system.receipts.rootOf, (0, 1)));
        _expectBroken("INV-18", address(ledger), abi.encodeCall(ledger.linePaidNano, ()));
        _expectBroken(
            "INV-25", address(system.governor), abi.encodeCall(system.governor.param, ("providerCapNano"))
        );
        _expectBroken("INV-27", address(system.governor), abi.encodeCall(system.governor.isPaused, ()));
        _expectBroken("INV-28", address(system.governor), abi.encodeCall(system.governor.getMinDelay, ()));
        _expectBroken("INV-30", address(ledger), abi.encodeCall(ledger.freeNano, (actor)));
        _expectBroken("INV-31", address(ledger), abi.encodeCall(ledger.supplyNano, ()));
        _expectBroken("INV-34", address(ledger), abi.encodeCall(ledger.assetsIn, ()));
        _expectBroken("INV-35", address(ledger), abi.encodeCall(ledger.feesNano, ()));
        _expectBroken("INV-40", address(ledger), abi.encodeCall(ledger.bondNano, (1)));
        this.invariant_EachHolds();
    }

    /// @dev One is the right answer to none of these.
    function _expectBroken(bytes6 id, address target, bytes memory question) private {
        vm.mockCall(target, question, abi.encode(uint256(1)));
        try this.invariant_EachHolds() {
            revert(string.concat("nobody noticed: ", string(bytes.concat(id))));
        } catch Error(string memory reason) {
            assertEq(string(bytes.concat(bytes6(bytes(reason)))), string(bytes.concat(id)), reason);
        }
        vm.clearMockedCalls();
        vm.mockCall(PAIRING, bytes(""), abi.encode(uint256(1)));
    }
}
