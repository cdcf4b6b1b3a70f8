// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {Line} from "../../src/types/Line.sol";
import {SystemTest} from "../utils/SystemTest.sol";

/// @notice What a batch costs. Snapshots hold execution gas: the transaction's 21,000 and its calldata come on top.
/// @dev The snapshot "intrinsic gas per line" says what a line adds to that.
contract SubmitGasTest is SystemTest {
    /// @dev What one transaction may use on Base (EIP-7825).
    uint256 private constant TRANSACTION_GAS = 16_777_216;
    uint32 private constant PROVIDERS = 4;
    uint256 private constant MOST_LINES = 1700;
    uint256 private constant MOST_FINAL_LINES = 1300;
    uint64 private constant LOCK_NANO = 1_000_000;
    /// @dev What a line of a revoked lock may cost in a batch of 1,000: it asks the governor for the grace.
    uint256 private constant REVOKED_LINE_GAS = 10_500;

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

    function test_Lines1000OfRevokedLocks() public {
        Line[] memory lines = _lines(1000, false);
        bytes32[] memory jobIds = new bytes32[](lines.length);
        for (uint256 i = 0; i < lines.length; ++i) {
            jobIds[i] = lines[i].jobId;
        }
        vm.prank(tenant);
        system.authority.revokeAll();
        system.vault.applyRevocation(jobIds);
        _submit(lines);
        assertLt(
            vm.snapshotGasLastCall("UsageReceipts", "submit, 1000 lines of revoked locks"),
            1000 * REVOKED_LINE_GAS
        );
    }

    /// @dev Final lines are the dearest: they touch the lock's owner and the tenant's account as well.
    function test_BatchOf1000FinalLinesStaysFarBelowTheTransactionLimit() public {
        assertLt(_transactionGas(1000, true), TRANSACTION_GAS * 3 / 4);
    }

    /// @dev The figures are round ones just below the limit; a tenth more is above it.
    function test_LargestBatchOfFinalLinesFits() public {
        assertLt(_transactionGas(MOST_FINAL_LINES, true), TRANSACTION_GAS);
        vm.snapshotValue("UsageReceipts", "most final lines of one transaction, about", MOST_FINAL_LINES);
    }

    function test_LargestBatchFits() public {
        assertLt(_transactionGas(MOST_LINES, false), TRANSACTION_GAS);
        vm.snapshotValue("UsageReceipts", "most lines of one transaction, about", MOST_LINES);
    }

    function test_TenthMoreFinalLinesThanTheMostDoNotFit() public {
        assertGt(_transactionGas(MOST_FINAL_LINES * 11 / 10, true), TRANSACTION_GAS);
    }

    function test_TenthMoreLinesThanTheMostDoNotFit() public {
        assertGt(_transactionGas(MOST_LINES * 11 / 10, false), TRANSACTION_GAS);
    }

    /// @dev Calldata and the transaction's own 21,000, of which the snapshots above know nothing.
    function test_IntrinsicGas() public {
        uint256 none = _intrinsicGas(_callOf(new Line[](0)));
        uint256 thousand = _intrinsicGas(_callOf(_lines(1000, false)));
        vm.snapshotValue("UsageReceipts", "intrinsic gas, no line (not in the figures of submit)", none);
        vm.snapshotValue(
            "UsageReceipts", "intrinsic gas per line (not in the figures of submit)", (thousand - none) / 1000
        );
    }

    /// @dev `count` jobs of one tenant, spread evenly over the providers.
    function _measure(uint256 count, bool isFinal) private {
        _submit(_lines(count, isFinal));
    }

    function _lines(uint256 count, bool isFinal) private returns (Line[] memory lines) {
        bytes32[] memory jobIds = lockJobs(count, LOCK_NANO);
        lines = new Line[](count);
        for (uint256 i = 0; i < count; ++i) {
            lines[i] = line(jobIds[i], uint32(i * PROVIDERS / count) + 1, 123_456, isFinal);
        }
    }

    function _callOf(Line[] memory lines) private returns (bytes memory) {
        BatchHeader memory header = headerFor(lines);
        return
            abi.encodeCall(system.receipts.submit, (header, lines, signHeader(header), aggregatorPublicKey));
    }

    /// @dev Execution and intrinsic gas together.
    function _transactionGas(uint256 count, bool isFinal) private returns (uint256) {
        Line[] memory lines = _lines(count, isFinal);
        BatchHeader memory header = _submit(lines);
        uint256 executionGas = vm.lastCallGas().gasTotalUsed;
        bytes memory call_ =
            abi.encodeCall(system.receipts.submit, (header, lines, signHeader(header), aggregatorPublicKey));
        return executionGas + _intrinsicGas(call_);
    }

    /// @dev 21,000, and 16 or 4 for each byte; the floor of EIP-7623 is below what these batches execute.
    function _intrinsicGas(bytes memory call_) private pure returns (uint256 intrinsicGas) {
        intrinsicGas = 21_000;
        for (uint256 i = 0; i < call_.length; ++i) {
            intrinsicGas += call_[i] == 0 ? 4 : 16;
        }
    }

    function _submit(Line[] memory lines) private returns (BatchHeader memory header) {
        header = headerFor(lines);
        bytes memory signature = signHeader(header);
        vm.cool(address(system.receipts));
        vm.cool(address(system.treasury));
        vm.cool(address(system.vault));
        vm.cool(address(system.governor));
        vm.cool(address(system.registry));
        system.receipts.submit(header, lines, signature, aggregatorPublicKey);
    }
}
