// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {InvariantTest} from "./InvariantTest.sol";
import {Store} from "./Store.sol";

/// @notice INV-10 to INV-21 and INV-39: what a batch may do. Most are judged by the handler, batch by batch, against
/// what was true before it.
contract SettlementInvariantTest is InvariantTest {
    function invariant_INV10_WindowsOfALaneAdjoin() public view {
        for (uint32 laneId = 0; laneId < LANES; ++laneId) {
            uint64 windowEnd = uint64(START * 1000);
            for (uint256 i = 0; i < store.windowCount(laneId); ++i) {
                Store.Window memory window = store.windowAt(laneId, i);
                assertEq(window.windowStart, windowEnd);
                assertGt(window.windowEnd, window.windowStart);
                windowEnd = window.windowEnd;
            }
            assertEq(system.receipts.laneOf(laneId).lastWindowEnd, windowEnd);
        }
    }

    function invariant_INV11_BatchesAreNumberedChainedAndKept() public view {
        for (uint32 laneId = 0; laneId < LANES; ++laneId) {
            bytes32 previousHash;
            uint256 length = store.windowCount(laneId);
            for (uint256 i = 0; i < length; ++i) {
                Store.Window memory window = store.windowAt(laneId, i);
                assertEq(window.batchNumber, i + 1);
                assertEq(window.previousBatchHash, previousHash);
                assertEq(system.receipts.rootOf(laneId, window.batchNumber), window.receiptsRoot);
                previousHash = window.batchHash;
            }
            assertEq(system.receipts.laneOf(laneId).nextBatchNumber, length + 1);
            assertEq(system.receipts.laneOf(laneId).lastBatchHash, previousHash);
            assertEq(system.receipts.rootOf(laneId, uint64(length + 1)), 0);
        }
    }

    function invariant_INV12_ALinePaysAtMostWhatItAsks() public view {
        assertKept("INV-12");
    }

    function invariant_INV13_ABatchPaysAtMostItsTotal() public view {
        assertKept("INV-13");
    }

    function invariant_INV14_AProviderIsPaidAtMostItsCapPerWindow() public view {
        assertKept("INV-14");
    }

    function invariant_INV15_AnInactiveProviderIsNotPaid() public view {
        assertKept("INV-15");
    }

    function invariant_INV16_ARevokedCapabilityPaysForNoLaterWindow() public view {
        assertKept("INV-16");
    }

    /// @dev A lock's revocation is the earliest that the authority knows of, or not yet applied; it never moves later.
    function invariant_INV17_ARevocationNeverMoves() public view {
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            ICreditVault.Lock memory held = lockAt(i);
            bytes32 jobId = store.jobAt(i).jobId;
            uint256 since = system.authority.revokedAt(held.tenant, jobId, held.validAfter);
            if (held.revokedAt != 0) assertEq(held.revokedAt, since);
            if (ledger.lockOf(jobId).revokedAt != 0) assertLe(since, ledger.lockOf(jobId).revokedAt);
        }
    }

    function invariant_INV18_LinePayoutsEqualCreditsPlusFees() public view {
        uint256 creditedNano = ledger.assetsOutOfTreasuryNano() + system.treasury.feesPayable();
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            creditedNano += system.treasury.payableOf(id);
        }
        assertEq(creditedNano, ledger.linePaidNano());
    }

    function invariant_INV19_TheFeeIsItsShareAndWithinItsBound() public view {
        assertLe(ledger.lineFeeNano(), ledger.linePaidNano() / 10);
        assertKept("INV-19");
    }

    function invariant_INV20_EveryLineHasOneEventThatAddsUp() public view {
        assertKept("INV-20");
    }

    function invariant_INV21_WhatDoesNotContinueItsLaneIsRefused() public view {
        assertKept("INV-21");
    }

    function invariant_INV39_KeyEpochsCountTheKeys() public view {
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
