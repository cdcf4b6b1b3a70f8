// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {BatchHeader} from "../../../src/types/BatchHeader.sol";
import {Line} from "../../../src/types/Line.sol";
import {UsageReceipt} from "../../../src/types/UsageReceipt.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract VerifyReceiptTest is SystemTest {
    UsageReceipt private _first;
    UsageReceipt private _second;

    function setUp() public override {
        super.setUp();
        _first.receiptId = keccak256("first");
        _first.costNano = 5;
        _second.receiptId = keccak256("second");
        _second.costNano = 7;
        _commit(Hashes.commutativeKeccak256(system.receipts.leafOf(_first), system.receipts.leafOf(_second)));
    }

    function test_IsFalseForAnUnknownBatch() public view {
        assertFalse(system.receipts.verifyReceipt(0, 2, _first, new bytes32[](0)));
        assertFalse(system.receipts.verifyReceipt(9, 0, _first, new bytes32[](0)));
    }

    function test_OneReceiptIsItsOwnRoot() public {
        _commit(system.receipts.leafOf(_first));
        assertTrue(system.receipts.verifyReceipt(0, 2, _first, new bytes32[](0)));
        assertFalse(system.receipts.verifyReceipt(0, 2, _second, new bytes32[](0)));
    }

    function test_IsTrueForEachReceiptOfItsBatchOnly() public view {
        assertTrue(system.receipts.verifyReceipt(0, 1, _first, _proofOf(_second)));
        assertTrue(system.receipts.verifyReceipt(0, 1, _second, _proofOf(_first)));
        assertFalse(system.receipts.verifyReceipt(0, 1, _first, _proofOf(_first)));
        assertFalse(system.receipts.verifyReceipt(0, 2, _first, _proofOf(_second)));
        assertFalse(system.receipts.verifyReceipt(1, 1, _first, _proofOf(_second)));
    }

    function testFuzz_IsFalseForAChangedReceipt(uint64 costNano) public view {
        vm.assume(costNano != _first.costNano);
        UsageReceipt memory changed = _first;
        changed.costNano = costNano;
        assertFalse(system.receipts.verifyReceipt(0, 1, changed, _proofOf(_second)));
    }

    function test_IsFalseForAProofOfAnotherLength() public view {
        assertFalse(system.receipts.verifyReceipt(0, 1, _first, new bytes32[](0)));
        bytes32[] memory longer = new bytes32[](2);
        longer[0] = system.receipts.leafOf(_second);
        assertFalse(system.receipts.verifyReceipt(0, 1, _first, longer));
    }

    function test_IsFalseUnderARootOfZero() public {
        _commit(0);
        assertFalse(system.receipts.verifyReceipt(0, 2, _first, new bytes32[](0)));
    }

    function _commit(bytes32 receiptsRoot) private {
        Line[] memory lines = new Line[](0);
        BatchHeader memory header = headerFor(lines);
        header.receiptsRoot = receiptsRoot;
        system.receipts.submit(header, lines, signHeader(header), aggregatorPublicKey);
    }

    function _proofOf(UsageReceipt memory sibling) private view returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = system.receipts.leafOf(sibling);
    }
}
