// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {InvariantTest, State} from "./InvariantTest.sol";
import {Ledger} from "./Ledger.sol";
import {Store} from "./Store.sol";

/// @notice INV-10 to INV-21 and INV-39: what a batch may do. Most are judged by the handler, batch by batch, against
/// what was true before it.
abstract contract SettlementInvariants is InvariantTest {
    function setUp() public virtual override {
        super.setUp();
        add("INV-10", this.INV10_WindowsOfALaneAdjoin.selector);
        add("INV-11", this.INV11_BatchesAreNumberedChainedAndKept.selector);
        add("INV-12", this.INV12_ALinePaysAtMostWhatItAsks.selector);
        add("INV-13", this.INV13_ABatchPaysAtMostItsTotal.selector);
        add("INV-14", this.INV14_AProviderIsPaidAtMostItsCapPerWindow.selector);
        add("INV-15", this.INV15_AnInactiveProviderIsNotPaid.selector);
        add("INV-16", this.INV16_ARevokedCapabilityPaysForNoWindowAfterTheGrace.selector);
        add("INV-17", this.INV17_ARevocationNeverMoves.selector);
        add("INV-18", this.INV18_LinePayoutsEqualCreditsPlusFees.selector);
        add("INV-19", this.INV19_TheFeeIsItsShareAndWithinItsBound.selector);
        add("INV-20", this.INV20_EveryLineHasOneEventThatAddsUp.selector);
        add("INV-21", this.INV21_WhatDoesNotContinueItsLaneIsRefused.selector);
        add("INV-39", this.INV39_KeyEpochsCountTheKeys.selector);
    }

    function INV10_WindowsOfALaneAdjoin(State calldata state) external view {
        for (uint32 laneId = 0; laneId < LANES; ++laneId) {
            uint64 windowEnd = uint64(START * 1000);
            Store.Window[] calldata windows = state.windows[laneId];
            for (uint256 i = 0; i < windows.length; ++i) {
                Store.Window calldata window = windows[i];
                assertEq(window.windowStart, windowEnd);
                assertGt(window.windowEnd, window.windowStart);
                windowEnd = window.windowEnd;
            }
            assertEq(system.receipts.laneOf(laneId).lastWindowEnd, windowEnd);
        }
    }

    function INV11_BatchesAreNumberedChainedAndKept(State calldata state) external view {
        for (uint32 laneId = 0; laneId < LANES; ++laneId) {
            bytes32 previousHash;
            Store.Window[] calldata windows = state.windows[laneId];
            for (uint256 i = 0; i < windows.length; ++i) {
                Store.Window calldata window = windows[i];
                assertEq(window.batchNumber, i + 1);
                assertEq(window.previousBatchHash, previousHash);
                assertEq(system.receipts.rootOf(laneId, window.batchNumber), window.receiptsRoot);
                previousHash = window.batchHash;
            }
            assertEq(system.receipts.laneOf(laneId).nextBatchNumber, windows.length + 1);
            assertEq(system.receipts.laneOf(laneId).lastBatchHash, previousHash);
            assertEq(system.receipts.rootOf(laneId, uint64(windows.length + 1)), 0);
        }
    }

    function INV12_ALinePaysAtMostWhatItAsks() external view {
        assertKept("INV-12");
    }

    function INV13_ABatchPaysAtMostItsTotal() external view {
        assertKept("INV-13");
    }

    function INV14_AProviderIsPaidAtMostItsCapPerWindow() external view {
        assertKept("INV-14");
    }

    function INV15_AnInactiveProviderIsNotPaid() external view {
        assertKept("INV-15");
    }

    function INV16_ARevokedCapabilityPaysForNoWindowAfterTheGrace() external view {
        assertKept("INV-16");
    }

    /// @dev A lock's revocation is the earliest that the authority knows of, or not yet applied; it never moves later.
    function INV17_ARevocationNeverMoves(State calldata state) external view {
        for (uint256 i = 0; i < state.jobs.length; ++i) {
            uint256 since = system.authority
                .revokedAt(state.locks[i].tenant, state.jobs[i].jobId, state.locks[i].validAfter);
            if (state.locks[i].revokedAt != 0) assertEq(state.locks[i].revokedAt, since);
            if (state.lockEntries[i].revokedAt != 0) assertLe(since, state.lockEntries[i].revokedAt);
        }
    }

    function INV18_LinePayoutsEqualCreditsPlusFees() external view {
        uint256 creditedNano = ledger.assetsOutOfTreasuryNano() + system.treasury.feesPayable();
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            creditedNano += system.treasury.payableOf(id);
        }
        assertEq(creditedNano, ledger.linePaidNano());
    }

    function INV19_TheFeeIsItsShareAndWithinItsBound() external view {
        assertLe(ledger.lineFeeNano(), ledger.linePaidNano() / 10);
        assertKept("INV-19");
    }

    function INV20_EveryLineHasOneEventThatAddsUp() external view {
        assertKept("INV-20");
    }

    function INV21_WhatDoesNotContinueItsLaneIsRefused() external view {
        assertKept("INV-21");
    }

    function INV39_KeyEpochsCountTheKeys() external view {
        for (uint32 laneId = 0; laneId < LANES; ++laneId) {
            IUsageReceipts.Lane memory lane = system.receipts.laneOf(laneId);
            assertEq(lane.keyEpoch, store.keyCount(laneId));
            assertEq(lane.keyHash, keccak256(store.publicKeyOf(laneId, lane.keyEpoch)));
        }
    }

    /// @dev Shows that the handlers settle at all: without it the invariants above would hold of nothing.
    function test_Handlers_Settle() public {
        settlement.submit({seed: 1, lineCount: 4, totalNano: type(uint256).max, windowSeconds: 60, laneId: 0});
        settlement.submit({seed: 2, lineCount: 8, totalNano: type(uint256).max, windowSeconds: 60, laneId: 1});
        assertEq(store.windowCount(0), 1);
        assertEq(store.windowCount(1), 1);
        assertGt(ledger.linePaidNano(), 0);
        assertGt(ledger.lineFeeNano(), 0);
        settlement.payProvider(1);
        settlement.payFees();
        assertGt(ledger.assetsOutOfTreasuryNano(), 0);
    }
}
