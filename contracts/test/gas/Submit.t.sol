// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {Line} from "../../src/types/Line.sol";
import {SystemTest} from "../utils/SystemTest.sol";

/// @notice What a batch costs. Snapshots hold execution gas: the transaction's 21,000 and its calldata come on top.
contract SubmitGasTest is SystemTest {
    uint32 private constant PROVIDERS = 4;
    uint64 private constant LOCK_NANO = 1_000_000;

    /// @dev One batch settles first, so that every slot a batch touches is warm in the sense of being nonzero.
    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < PROVIDERS; ++i) {
            addProvider(address(this));
        }
        Line[] memory lines = new Line[](PROVIDERS);
        bytes32 jobId = lockJob("first", LOCK_NANO);
        for (uint32 i = 0; i < PROVIDERS; ++i) {
            lines[i] = line(jobId, i + 1, 1000, false);
        }
        _submit(lines);
    }

    function test_Fixed() public {
        _submit(new Line[](0));
        vm.snapshotGasLastCall("UsageReceipts", "submit, fixed part (100 receipts, no line)");
    }

    function test_Lines1() public {
        _measure(1, false);
        vm.snapshotGasLastCall("UsageReceipts", "submit, 1 line");
    }

    function test_Lines100() public {
        _measure(100, false);
        vm.snapshotGasLastCall("UsageReceipts", "submit, 100 lines");
    }

    function test_Lines1000() public {
        _measure(1000, false);
        vm.snapshotGasLastCall("UsageReceipts", "submit, 1000 lines");
    }

    function test_Lines1000Final() public {
        _measure(1000, true);
        vm.snapshotGasLastCall("UsageReceipts", "submit, 1000 final lines");
    }

    /// @dev `count` jobs of one tenant, spread evenly over the providers.
    function _measure(uint256 count, bool isFinal) private {
        bytes32[] memory jobIds = lockJobs(count, LOCK_NANO);
        Line[] memory lines = new Line[](count);
        for (uint256 i = 0; i < count; ++i) {
            lines[i] = line(jobIds[i], uint32(i * PROVIDERS / count) + 1, 123_456, isFinal);
        }
        _submit(lines);
    }

    function _submit(Line[] memory lines) private {
        BatchHeader memory header = headerFor(lines);
        bytes memory signature = signHeader(header);
        vm.cool(address(system.receipts));
        vm.cool(address(system.treasury));
        vm.cool(address(system.vault));
        vm.cool(address(system.governor));
        vm.cool(address(system.registry));
        system.receipts.submit(header, lines, signature, aggregatorPublicKey);
    }
}
