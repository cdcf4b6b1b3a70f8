// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {Deployment} from "../../script/Deployment.sol";
import {LineLib} from "../../src/libraries/LineLib.sol";
import {MockUSDC} from "../../src/mocks/MockUSDC.sol";
import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {BINDING_EXPORTER, Capability} from "../../src/types/Capability.sol";
import {Line} from "../../src/types/Line.sol";
import {BlsSigner} from "./BlsSigner.sol";

/// @notice Every contract, deployed as in production, with one tenant and hands to lock, register and settle.
abstract contract SystemTest is Test, Deployment {
    uint256 internal constant AGGREGATOR_SECRET = uint256(keccak256("aggregator")) >> 2;
    uint256 internal constant START = 1_750_000_000;

    MockUSDC internal usdc;
    Contracts internal system;
    address internal guardian = makeAddr("guardian");
    address internal feeRecipient = makeAddr("feeRecipient");
    address internal proposer = makeAddr("proposer");
    address internal tenant;
    uint256 internal tenantKey;
    bytes internal aggregatorPublicKey;
    bytes32 internal lastBatchHash;

    function setUp() public virtual {
        vm.warp(START);
        (tenant, tenantKey) = makeAddrAndKey("tenant");
        aggregatorPublicKey = BlsSigner.publicKeyOf(AGGREGATOR_SECRET);
        usdc = new MockUSDC();
        system = _deploy(
            Settings({
                asset: address(usdc),
                proposer: proposer,
                guardian: guardian,
                feeRecipient: feeRecipient,
                delaySeconds: 2 days,
                delayFloorSeconds: 1 days,
                aggregatorPublicKey: aggregatorPublicKey,
                aggregatorPossessionProof: BlsSigner.provePossession(AGGREGATOR_SECRET),
                salt: 0
            }),
            address(this)
        );
    }

    /// @dev Gives the account free credit in the vault, rounded up to whole asset units.
    function fund(address account, uint256 amountNano) internal {
        uint256 assets = (amountNano + 999) / 1000;
        usdc.mint(address(this), assets);
        usdc.approve(address(system.vault), assets);
        system.vault.deposit(assets, account);
    }

    /// @dev Gives the account CreditToken in its own hands.
    function fundToken(address account, uint256 amountNano) internal {
        fund(account, amountNano);
        vm.prank(account);
        system.vault.withdrawCredit(uint128(amountNano), account);
    }

    /// @dev A job of the tenant's, funded and locked.
    function lockJob(bytes32 salt, uint64 maxSpendNano) internal returns (bytes32 jobId) {
        fund(tenant, maxSpendNano);
        jobId = system.authority.jobIdOf(tenant, salt);
        Capability memory capability = Capability({
            tenant: tenant,
            jobId: jobId,
            quoteHash: keccak256("quote"),
            maxSpendNano: maxSpendNano,
            holder: keccak256("holder"),
            binding: BINDING_EXPORTER,
            countersigned: false,
            validAfter: uint64(block.timestamp) - 1,
            expiresAt: uint64(block.timestamp) + 7 days,
            salt: salt
        });
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(tenantKey, system.authority.hashCapability(capability));
        system.vault.lock(capability, abi.encodePacked(r, s, v));
    }

    /// @dev Jobs in ascending order of their ids, as a batch wants them.
    function lockJobs(uint256 count, uint64 maxSpendNano) internal returns (bytes32[] memory jobIds) {
        jobIds = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            jobIds[i] = lockJob(bytes32(i + 1), maxSpendNano);
        }
        jobIds = abi.decode(abi.encode(vm.sort(_toUints(jobIds))), (bytes32[]));
    }

    function addProvider(address admin) internal returns (uint32 providerId) {
        vm.prank(admin);
        providerId = system.registry
            .register(makeAddr("payout"), makeAddr("signingKey"), "ipfs://provider", keccak256("tariff"), 0);
        vm.prank(address(system.governor));
        system.registry.approve(providerId);
    }

    function line(bytes32 jobId, uint32 providerId, uint64 amountNano, bool isFinal)
        internal
        pure
        returns (Line memory)
    {
        return Line({jobId: jobId, terms: LineLib.packTerms(amountNano, 1, providerId, isFinal)});
    }

    /// @dev The header that continues lane 0 with a window that ends now; moves the clock if none fits.
    function headerFor(Line[] memory lines) internal returns (BatchHeader memory header) {
        header.windowStart = system.receipts.laneOf(0).lastWindowEnd;
        if (header.windowStart >= block.timestamp * 1000) vm.warp(header.windowStart / 1000 + 10);
        header.keyEpoch = system.receipts.laneOf(0).keyEpoch;
        header.batchNumber = system.receipts.laneOf(0).nextBatchNumber;
        header.windowEnd = uint64(block.timestamp * 1000);
        header.receiptsRoot = keccak256("root");
        header.receiptCount = 100;
        header.linesHash = keccak256(abi.encode(lines));
        for (uint256 i = 0; i < lines.length; ++i) {
            header.totalNano += LineLib.amountNano(lines[i].terms);
        }
        header.previousBatchHash = system.receipts.laneOf(0).lastBatchHash;
        header.sourcesHash = keccak256("sources");
    }

    function signHeader(BatchHeader memory header) internal view returns (bytes memory signature) {
        return BlsSigner.sign(AGGREGATOR_SECRET, system.receipts.hashHeader(header));
    }

    /// @dev Changes a parameter the way only the timelock can.
    function setParam(bytes32 key, uint256 value) internal {
        vm.prank(address(system.governor));
        system.governor.setParam(key, value);
    }

    function pause() internal {
        vm.prank(guardian);
        system.governor.pause(1 days);
    }

    function _toUints(bytes32[] memory words) private pure returns (uint256[] memory) {
        return abi.decode(abi.encode(words), (uint256[]));
    }
}
