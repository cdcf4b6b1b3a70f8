// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {stdJson} from "forge-std/StdJson.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {UsageReceipts} from "../../src/UsageReceipts.sol";
import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {BINDING_EXPORTER, Capability} from "../../src/types/Capability.sol";
import {Line, LineTerms} from "../../src/types/Line.sol";
import {UsageReceipt} from "../../src/types/UsageReceipt.sol";
import {SystemTest} from "../utils/SystemTest.sol";

/// @notice A batch built and signed t-of-n outside of the EVM goes through UsageReceipts, SettlementTreasury and
/// CreditVault, and its receipts are proven against the root it left.
contract BatchVectorTest is SystemTest {
    using stdJson for string;

    string private _json;
    address private _tenant;
    bytes private _publicKey;

    /// @dev The signature covers the address of UsageReceipts, so the constructor runs at the vector's address, and
    /// everything else is told that address from birth.
    function setUp() public override {
        super.setUp();
        _json = vm.readFile("contracts/test/vectors/bls.json");
        _tenant = _json.readAddress(".batch.tenant");
        _publicKey = _json.readBytes(".first.publicKey");
        vm.chainId(_json.readUint(".batch.chainId"));
        vm.warp(_json.readUint(".batch.openedAtSeconds"));
        address receipts = _json.readAddress(".batch.verifyingContract");
        deployCodeTo(
            "UsageReceipts.sol:UsageReceipts",
            abi.encode(
                address(system.governor),
                address(system.treasury),
                _publicKey,
                _json.readBytes(".first.possessionProof")
            ),
            receipts
        );
        deployCodeTo(
            "SettlementTreasury.sol:SettlementTreasury",
            abi.encode(address(system.governor), address(system.vault), receipts, address(system.registry)),
            address(system.treasury)
        );
        system.receipts = UsageReceipts(receipts);
        addProvider(address(this));
        addProvider(address(this));
        _lock(_json.readBytes32(".batch.salts.chat"), 10_000_000);
        _lock(_json.readBytes32(".batch.salts.embed"), 10_000_000);
    }

    function test_DigestAgrees() public view {
        assertEq(system.receipts.hashHeader(_header()), _json.readBytes32(".batch.digest"));
        assertEq(keccak256(abi.encode(_lines())), _header().linesHash);
    }

    function test_BatchSettlesAndItsReceiptsAreProven() public {
        skip(10);
        bytes32 batchHash =
            system.receipts.submit(_header(), _lines(), _json.readBytes(".batch.signature"), _publicKey);
        assertEq(batchHash, _json.readBytes32(".batch.digest"));

        // 7,654,321 + 160,000 for the first provider, 999 for the second, one hundredth of each line the fee.
        assertEq(system.treasury.payableOf(1), 7_654_321 - 76_543 + 160_000 - 1600);
        assertEq(system.treasury.payableOf(2), 999 - 9);
        assertEq(system.treasury.feesPayable(), 76_543 + 1600 + 9);
        assertEq(system.vault.balanceOf(address(system.treasury)), _header().totalNano);
        assertEq(system.vault.balanceOf(_tenant), 20_000_000 - _header().totalNano);
        _assertClosed(_json.readBytes32(".batch.jobIds.chat"));
        _assertClosed(_json.readBytes32(".batch.jobIds.embed"));
        assertEq(system.treasury.payProvider(1), 7736);
        assertEq(usdc.balanceOf(makeAddr("payout")), 7736);

        for (uint256 i = 0; i < 3; ++i) {
            string memory path = string.concat(".batch.receipts[", vm.toString(i), "]");
            UsageReceipt memory receipt = _receipt(path);
            bytes32[] memory proof = _json.readBytes32Array(string.concat(path, ".proof"));
            assertEq(system.receipts.leafOf(receipt), _json.readBytes32(string.concat(path, ".leaf")));
            assertTrue(system.receipts.verifyReceipt(0, 1, receipt, proof));

            assertFalse(system.receipts.verifyReceipt(0, 2, receipt, proof));
            assertFalse(system.receipts.verifyReceipt(1, 1, receipt, proof));
            receipt.costNano += 1;
            assertFalse(system.receipts.verifyReceipt(0, 1, receipt, proof));
        }
    }

    function test_RevertWhen_AnyFieldOfTheHeaderChanges() public {
        skip(20);
        bytes memory signature = _json.readBytes(".batch.signature");
        for (uint256 i = 0; i < 5; ++i) {
            BatchHeader memory header = _header();
            if (i == 0) header.windowEnd += 1;
            if (i == 1) header.receiptsRoot = bytes32(uint256(header.receiptsRoot) ^ 1);
            if (i == 2) header.receiptCount += 1;
            if (i == 3) header.totalNano += 1;
            if (i == 4) header.sourcesHash = bytes32(0);
            vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidSignature.selector);
            system.receipts.submit(header, _lines(), signature, _publicKey);
        }
    }

    function _header() private view returns (BatchHeader memory header) {
        header.laneId = uint32(_json.readUint(".batch.header.laneId"));
        header.keyEpoch = uint32(_json.readUint(".batch.header.keyEpoch"));
        header.batchNumber = uint64(_json.readUint(".batch.header.batchNumber"));
        header.windowStart = uint64(_json.readUint(".batch.header.windowStart"));
        header.windowEnd = uint64(_json.readUint(".batch.header.windowEnd"));
        header.receiptsRoot = _json.readBytes32(".batch.header.receiptsRoot");
        header.receiptCount = uint32(_json.readUint(".batch.header.receiptCount"));
        header.linesHash = _json.readBytes32(".batch.header.linesHash");
        header.totalNano = uint128(_json.readUint(".batch.header.totalNano"));
        header.previousBatchHash = _json.readBytes32(".batch.header.previousBatchHash");
        header.sourcesHash = _json.readBytes32(".batch.header.sourcesHash");
    }

    function _lines() private view returns (Line[] memory lines) {
        lines = new Line[](3);
        for (uint256 i = 0; i < 3; ++i) {
            string memory path = string.concat(".batch.lines[", vm.toString(i), "]");
            lines[i].jobId = _json.readBytes32(string.concat(path, ".jobId"));
            lines[i].terms = LineTerms.wrap(uint256(_json.readBytes32(string.concat(path, ".terms"))));
        }
    }

    function _receipt(string memory path) private view returns (UsageReceipt memory receipt) {
        receipt.receiptId = _json.readBytes32(string.concat(path, ".receiptId"));
        receipt.jobId = _json.readBytes32(string.concat(path, ".jobId"));
        receipt.capabilityHash = _json.readBytes32(string.concat(path, ".capabilityHash"));
        receipt.gateway = _json.readAddress(string.concat(path, ".gateway"));
        receipt.providerId = uint32(_json.readUint(string.concat(path, ".providerId")));
        receipt.modelHash = _json.readBytes32(string.concat(path, ".modelHash"));
        receipt.inputTokens = uint64(_json.readUint(string.concat(path, ".inputTokens")));
        receipt.cachedInputTokens = uint64(_json.readUint(string.concat(path, ".cachedInputTokens")));
        receipt.outputTokens = uint64(_json.readUint(string.concat(path, ".outputTokens")));
        receipt.requests = uint64(_json.readUint(string.concat(path, ".requests")));
        receipt.durationMs = uint64(_json.readUint(string.concat(path, ".durationMs")));
        receipt.costNano = uint64(_json.readUint(string.concat(path, ".costNano")));
        receipt.tariffHash = _json.readBytes32(string.concat(path, ".tariffHash"));
        receipt.requestHash = _json.readBytes32(string.concat(path, ".requestHash"));
        receipt.responseHash = _json.readBytes32(string.concat(path, ".responseHash"));
        receipt.proofHash = _json.readBytes32(string.concat(path, ".proofHash"));
        receipt.countersigned = _json.readUint(string.concat(path, ".countersigned")) == 1;
        receipt.occurredAtMs = uint64(_json.readUint(string.concat(path, ".occurredAtMs")));
    }

    /// @dev The vector's tenant is an address without a key, so its wallet's answer is mocked as ERC-1271.
    function _lock(bytes32 salt, uint64 maxSpendNano) private {
        vm.etch(_tenant, hex"00");
        vm.mockCall(
            _tenant,
            abi.encodeWithSignature("isValidSignature(bytes32,bytes)"),
            abi.encode(bytes32(hex"1626ba7e"))
        );
        fund(_tenant, maxSpendNano);
        system.vault
            .lock(
                Capability({
                    tenant: _tenant,
                    jobId: system.authority.jobIdOf(_tenant, salt),
                    quoteHash: 0,
                    maxSpendNano: maxSpendNano,
                    holder: 0,
                    binding: BINDING_EXPORTER,
                    countersigned: false,
                    validAfter: uint64(block.timestamp),
                    expiresAt: uint64(block.timestamp + 1 days),
                    salt: salt
                }),
                ""
            );
    }

    function _assertClosed(bytes32 jobId) private view {
        assertEq(uint8(system.vault.lockOf(jobId).state), uint8(ICreditVault.LockState.Closed));
    }
}
