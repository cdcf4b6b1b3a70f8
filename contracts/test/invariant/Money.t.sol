// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {InvariantTest} from "./InvariantTest.sol";
import {Ledger} from "./Ledger.sol";
import {Store} from "./Store.sol";

/// @notice INV-01 to INV-09, INV-33, INV-34: where the money is.
contract MoneyInvariantTest is InvariantTest {
    function invariant_INV01_ReserveEqualsSupply() public view {
        assertEq(usdc.balanceOf(address(system.vault)) * 1000, system.token.totalSupply());
    }

    function invariant_INV02_VaultTokensEqualFreePlusLocked() public view {
        uint256 sumNano = system.vault.balanceOf(address(system.treasury))
            + system.vault.balanceOf(address(system.channels));
        for (uint256 i = 0; i < store.actorCount(); ++i) {
            sumNano += system.vault.balanceOf(store.actorAt(i).account);
        }
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            sumNano += lockAt(i).remainingNano;
        }
        assertEq(system.token.balanceOf(address(system.vault)), sumNano);
    }

    function invariant_INV03_TreasuryAccountEqualsPayablePlusFees() public view {
        uint256 owedNano = system.treasury.feesPayable();
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            owedNano += system.treasury.payableOf(id);
        }
        assertEq(system.vault.balanceOf(address(system.treasury)), owedNano);
    }

    function invariant_INV04_ChannelsAccountEqualsOpenDeposits() public view {
        uint256 heldNano;
        for (uint256 i = 0; i < store.channelCount(); ++i) {
            Ledger.ChannelEntry memory entry = ledger.channelOf(store.channelAt(i));
            if (entry.timesClosed == 0) {
                heldNano += channelAt(i).depositNano - channelAt(i).claimedNano;
            }
        }
        assertEq(system.vault.balanceOf(address(system.channels)), heldNano);
    }

    function invariant_INV05_RegistryTokensEqualBonds() public view {
        uint256 bondsNano;
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            bondsNano += system.registry.providerOf(id).bondNano;
        }
        assertEq(system.token.balanceOf(address(system.registry)), bondsNano);
        assertKept("INV-05");
    }

    function invariant_INV06_HoldersTokensEqualSupply() public view {
        uint256 sumNano =
            system.token.balanceOf(address(system.vault)) + system.token.balanceOf(address(system.registry));
        for (uint256 i = 0; i < store.actorCount(); ++i) {
            sumNano += system.token.balanceOf(store.actorAt(i).account);
        }
        assertEq(system.token.totalSupply(), sumNano);
    }

    function invariant_INV07_EachLockIsPaidReleasedOrStillThere() public view {
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            Ledger.LockEntry memory entry = ledger.lockOf(store.jobAt(i).jobId);
            assertEq(entry.paidNano + entry.releasedNano + lockAt(i).remainingNano, entry.maxSpendNano);
        }
        assertKept("INV-07");
    }

    /// @dev Nothing comes out of a closed lock, and only a lock that is due is released.
    function invariant_INV08_AClosedLockIsEmptyAndStaysClosed() public view {
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            if (lockAt(i).state == ICreditVault.LockState.Closed) assertEq(lockAt(i).remainingNano, 0);
            else assertEq(ledger.lockOf(store.jobAt(i).jobId).releasedNano, 0);
        }
        assertKept("INV-08");
    }

    function invariant_INV09_AJobNeverSpendsAboveItsLock() public view {
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            Store.Job memory job = store.jobAt(i);
            assertLe(ledger.lockOf(job.jobId).paidNano, job.maxSpendNano);
            assertEq(lockAt(i).maxSpendNano, job.maxSpendNano);
            assertEq(lockAt(i).tenant, store.actorAt(job.actor).account);
            assertEq(lockAt(i).validAfter, job.validAfter);
            assertEq(lockAt(i).expiresAt, job.expiresAt);
        }
        assertKept("INV-09");
    }

    function invariant_INV33_AJobIsLockedOnce() public view {
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            assertEq(ledger.lockOf(store.jobAt(i).jobId).timesLocked, 1);
        }
        assertKept("INV-33");
    }

    function invariant_INV34_WhatCameInIsHereOrWentOut() public view {
        assertEq(usdc.balanceOf(address(system.vault)), ledger.assetsIn() - ledger.assetsOut());
        assertKept("INV-34");
        assertKept("INV-32");
    }
}
