// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {InvariantTest, State} from "./InvariantTest.sol";
import {Ledger} from "./Ledger.sol";
import {Store} from "./Store.sol";

/// @notice INV-01 to INV-09, INV-33, INV-34: where the money is.
abstract contract MoneyInvariants is InvariantTest {
    function setUp() public virtual override {
        super.setUp();
        add("INV-01", this.INV01_ReserveEqualsSupply.selector);
        add("INV-02", this.INV02_VaultTokensEqualFreePlusLocked.selector);
        add("INV-03", this.INV03_TreasuryAccountEqualsPayablePlusFees.selector);
        add("INV-04", this.INV04_ChannelsAccountEqualsOpenDeposits.selector);
        add("INV-05", this.INV05_RegistryTokensEqualBonds.selector);
        add("INV-06", this.INV06_HoldersTokensEqualSupply.selector);
        add("INV-07", this.INV07_EachLockIsPaidReleasedOrStillThere.selector);
        add("INV-08", this.INV08_AClosedLockIsEmptyAndStaysClosed.selector);
        add("INV-09", this.INV09_AJobNeverSpendsAboveItsLock.selector);
        add("INV-33", this.INV33_AJobIsLockedOnce.selector);
        add("INV-34", this.INV34_WhatCameInIsHereOrWentOut.selector);
    }

    function INV01_ReserveEqualsSupply() external view {
        assertEq(usdc.balanceOf(address(system.vault)) * 1000, system.token.totalSupply());
    }

    function INV02_VaultTokensEqualFreePlusLocked(State calldata state) external view {
        uint256 sumNano = system.vault.balanceOf(address(system.treasury))
            + system.vault.balanceOf(address(system.channels));
        Store.Actor[] memory actors = store.actors();
        for (uint256 i = 0; i < actors.length; ++i) {
            sumNano += system.vault.balanceOf(actors[i].account);
        }
        for (uint256 i = 0; i < state.locks.length; ++i) {
            sumNano += state.locks[i].remainingNano;
        }
        assertEq(system.token.balanceOf(address(system.vault)), sumNano);
    }

    function INV03_TreasuryAccountEqualsPayablePlusFees() external view {
        uint256 owedNano = system.treasury.feesPayable();
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            owedNano += system.treasury.payableOf(id);
        }
        assertEq(system.vault.balanceOf(address(system.treasury)), owedNano);
    }

    function INV04_ChannelsAccountEqualsOpenDeposits(State calldata state) external view {
        uint256 heldNano;
        for (uint256 i = 0; i < state.channelIds.length; ++i) {
            if (state.channelEntries[i].timesClosed != 0) continue;
            ISessionChannels.Channel calldata channel = state.channels[i];
            heldNano += channel.depositNano - channel.claimedNano;
        }
        assertEq(system.vault.balanceOf(address(system.channels)), heldNano);
    }

    function INV05_RegistryTokensEqualBonds() external view {
        uint256 bondsNano;
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            bondsNano += system.registry.providerOf(id).bondNano;
        }
        assertEq(system.token.balanceOf(address(system.registry)), bondsNano);
        assertKept("INV-05");
    }

    function INV06_HoldersTokensEqualSupply() external view {
        uint256 sumNano =
            system.token.balanceOf(address(system.vault)) + system.token.balanceOf(address(system.registry));
        Store.Actor[] memory actors = store.actors();
        for (uint256 i = 0; i < actors.length; ++i) {
            sumNano += system.token.balanceOf(actors[i].account);
        }
        assertEq(system.token.totalSupply(), sumNano);
    }

    function INV07_EachLockIsPaidReleasedOrStillThere(State calldata state) external view {
        for (uint256 i = 0; i < state.jobs.length; ++i) {
            Ledger.LockEntry calldata entry = state.lockEntries[i];
            assertEq(entry.paidNano + entry.releasedNano + state.locks[i].remainingNano, entry.maxSpendNano);
        }
        assertKept("INV-07");
    }

    /// @dev Nothing comes out of a closed lock, and only a lock that is due is released.
    function INV08_AClosedLockIsEmptyAndStaysClosed(State calldata state) external view {
        for (uint256 i = 0; i < state.jobs.length; ++i) {
            if (state.locks[i].state == ICreditVault.LockState.Closed) {
                assertEq(state.locks[i].remainingNano, 0);
            } else {
                assertEq(state.lockEntries[i].releasedNano, 0);
            }
        }
        assertKept("INV-08");
    }

    function INV09_AJobNeverSpendsAboveItsLock(State calldata state) external view {
        Store.Actor[] memory actors = store.actors();
        for (uint256 i = 0; i < state.jobs.length; ++i) {
            Store.Job calldata job = state.jobs[i];
            assertLe(state.lockEntries[i].paidNano, job.maxSpendNano);
            assertEq(state.locks[i].maxSpendNano, job.maxSpendNano);
            assertEq(state.locks[i].tenant, actors[job.actor % actors.length].account);
            assertEq(state.locks[i].validAfter, job.validAfter);
            assertEq(state.locks[i].expiresAt, job.expiresAt);
        }
        assertKept("INV-09");
    }

    function INV33_AJobIsLockedOnce(State calldata state) external view {
        for (uint256 i = 0; i < state.lockEntries.length; ++i) {
            assertEq(state.lockEntries[i].timesLocked, 1);
        }
        assertKept("INV-33");
    }

    function INV34_WhatCameInIsHereOrWentOut() external view {
        assertEq(usdc.balanceOf(address(system.vault)), ledger.assetsIn() - ledger.assetsOut());
        assertKept("INV-34");
        assertKept("INV-32");
    }
}
