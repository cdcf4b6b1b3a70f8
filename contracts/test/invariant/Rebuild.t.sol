// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {InvariantTest} from "./InvariantTest.sol";
import {Ledger} from "./Ledger.sol";

/// @notice INV-30, INV-31, INV-35 to INV-38 and INV-40: logs alone tell every balance.
contract RebuildInvariantTest is InvariantTest {
    function invariant_INV30_LogsTellEveryAccount() public view {
        for (uint256 i = 0; i < store.actorCount(); ++i) {
            address account = store.actorAt(i).account;
            assertEq(ledger.freeNano(account), system.vault.balanceOf(account));
        }
        address treasury = address(system.treasury);
        assertEq(ledger.freeNano(treasury), system.vault.balanceOf(treasury));
        address channels_ = address(system.channels);
        assertEq(ledger.freeNano(channels_), system.vault.balanceOf(channels_));
    }

    function invariant_INV31_LogsTellEveryToken() public view {
        for (uint256 i = 0; i < store.actorCount(); ++i) {
            address account = store.actorAt(i).account;
            assertEq(ledger.tokenNano(account), system.token.balanceOf(account));
        }
        address vault = address(system.vault);
        assertEq(ledger.tokenNano(vault), system.token.balanceOf(vault));
        assertEq(ledger.supplyNano(), system.token.totalSupply());
    }

    function invariant_INV35_LogsTellWhatIsPayable() public view {
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            assertEq(ledger.payableNano(id), system.treasury.payableOf(id));
        }
        assertEq(ledger.feesNano(), system.treasury.feesPayable());
    }

    function invariant_INV36_LogsTellEveryChannel() public view {
        for (uint256 i = 0; i < store.channelCount(); ++i) {
            Ledger.ChannelEntry memory entry = ledger.channelOf(store.channelAt(i));
            ISessionChannels.Channel memory channel = channelAt(i);
            assertEq(entry.payer, channel.payer);
            assertEq(entry.depositNano, channel.depositNano);
            assertEq(entry.claimedNano, channel.claimedNano);
        }
    }

    function invariant_INV37_LogsTellEveryLane() public view {
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

    function invariant_INV38_LogsTellEveryLock() public view {
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            Ledger.LockEntry memory entry = ledger.lockOf(store.jobAt(i).jobId);
            assertEq(entry.tenant, lockAt(i).tenant);
            assertEq(entry.maxSpendNano - entry.paidNano - entry.releasedNano, lockAt(i).remainingNano);
        }
    }

    function invariant_INV40_LogsTellEveryBondAndParameter() public view {
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
