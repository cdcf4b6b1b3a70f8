// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {InvariantTest, State} from "./InvariantTest.sol";
import {Ledger} from "./Ledger.sol";
import {Store} from "./Store.sol";

/// @notice INV-30, INV-31, INV-35 to INV-38 and INV-40: logs alone tell every balance.
abstract contract RebuildInvariants is InvariantTest {
    function setUp() public virtual override {
        super.setUp();
        add("INV-30", this.INV30_LogsTellEveryAccount.selector);
        add("INV-31", this.INV31_LogsTellEveryToken.selector);
        add("INV-35", this.INV35_LogsTellWhatIsPayable.selector);
        add("INV-36", this.INV36_LogsTellEveryChannel.selector);
        add("INV-37", this.INV37_LogsTellEveryLane.selector);
        add("INV-38", this.INV38_LogsTellEveryLock.selector);
        add("INV-40", this.INV40_LogsTellEveryBondAndParameter.selector);
    }

    function INV30_LogsTellEveryAccount() external view {
        Store.Actor[] memory actors = store.actors();
        for (uint256 i = 0; i < actors.length; ++i) {
            address account = actors[i].account;
            assertEq(ledger.freeNano(account), system.vault.balanceOf(account));
        }
        address treasury = address(system.treasury);
        assertEq(ledger.freeNano(treasury), system.vault.balanceOf(treasury));
        address channels_ = address(system.channels);
        assertEq(ledger.freeNano(channels_), system.vault.balanceOf(channels_));
    }

    function INV31_LogsTellEveryToken() external view {
        Store.Actor[] memory actors = store.actors();
        for (uint256 i = 0; i < actors.length; ++i) {
            address account = actors[i].account;
            assertEq(ledger.tokenNano(account), system.token.balanceOf(account));
        }
        address vault = address(system.vault);
        assertEq(ledger.tokenNano(vault), system.token.balanceOf(vault));
        assertEq(ledger.supplyNano(), system.token.totalSupply());
    }

    function INV35_LogsTellWhatIsPayable() external view {
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            assertEq(ledger.payableNano(id), system.treasury.payableOf(id));
        }
        assertEq(ledger.feesNano(), system.treasury.feesPayable());
    }

    function INV36_LogsTellEveryChannel(State calldata state) external pure {
        for (uint256 i = 0; i < state.channelIds.length; ++i) {
            Ledger.ChannelEntry calldata entry = state.channelEntries[i];
            ISessionChannels.Channel calldata channel = state.channels[i];
            assertEq(entry.payer, channel.payer);
            assertEq(entry.depositNano, channel.depositNano);
            assertEq(entry.claimedNano, channel.claimedNano);
        }
    }

    function INV37_LogsTellEveryLane() external view {
        for (uint32 laneId = 0; laneId < LANES; ++laneId) {
            Ledger.LaneEntry memory entry = ledger.laneOf(laneId);
            IUsageReceipts.Lane memory lane = system.receipts.laneOf(laneId);
            assertEq(entry.lastBatchNumber + 1, lane.nextBatchNumber);
            assertEq(entry.lastWindowEnd, lane.lastWindowEnd);
            assertEq(entry.keyEpoch, lane.keyEpoch);
            assertEq(entry.keyHash, lane.keyHash);
            assertEq(entry.lastBatchHash, lane.lastBatchHash);
        }
    }

    function INV38_LogsTellEveryLock(State calldata state) external pure {
        for (uint256 i = 0; i < state.jobs.length; ++i) {
            Ledger.LockEntry calldata entry = state.lockEntries[i];
            assertEq(entry.tenant, state.locks[i].tenant);
            assertEq(entry.maxSpendNano - entry.paidNano - entry.releasedNano, state.locks[i].remainingNano);
        }
    }

    function INV40_LogsTellEveryBondAndParameter() external view {
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            assertEq(ledger.bondNano(id), system.registry.providerOf(id).bondNano);
        }
        bytes32[3] memory keys = [bytes32("feeRecipient"), "graceSeconds", "capWindowSeconds"];
        for (uint256 i = 0; i < keys.length; ++i) {
            uint256 value = ledger.paramSetTo(keys[i]);
            if (value != 0) assertEq(system.governor.param(keys[i]), value);
        }
    }
}
