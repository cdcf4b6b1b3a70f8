// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {CapabilityAuthority} from "../../src/CapabilityAuthority.sol";
import {CreditToken} from "../../src/CreditToken.sol";
import {CreditVault} from "../../src/CreditVault.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {MockUSDC} from "../../src/mocks/MockUSDC.sol";
import {BINDING_EXPORTER, Capability} from "../../src/types/Capability.sol";
import {FixtureGovernor} from "./FixtureGovernor.sol";

/// @notice Vault, token and authority on a fresh chain, with plain addresses for the treasury and the channels.
abstract contract FixtureVault is Test {
    uint40 internal constant NOW = 1_800_000_000;
    uint64 internal constant NOW_MS = 1_800_000_000_000;
    uint256 internal constant GRACE = 1 days;
    uint64 internal constant CREDIT = 1e9;
    uint256 internal constant USDC = 1e6;

    MockUSDC internal asset;
    CreditToken internal token;
    CreditVault internal vault;
    CapabilityAuthority internal authority;
    FixtureGovernor internal governor;

    address internal treasury = makeAddr("treasury");
    address internal channels = makeAddr("channels");
    address internal stranger = makeAddr("stranger");
    address internal tenant;
    uint256 internal tenantKey;

    function setUp() public virtual {
        vm.warp(NOW);
        (tenant, tenantKey) = makeAddrAndKey("tenant");
        _deploy(new MockUSDC());
    }

    function _deploy(MockUSDC asset_) internal {
        asset = asset_;
        governor = new FixtureGovernor();
        governor.setParam("graceSeconds", GRACE);
        uint64 nonce = vm.getNonce(address(this));
        address vaultAddress = vm.computeCreateAddress(address(this), nonce + 2);
        token = new CreditToken(vaultAddress);
        authority = new CapabilityAuthority(address(governor), vaultAddress);
        vault = new CreditVault(
            address(asset), address(token), address(authority), treasury, channels, address(governor)
        );
        assertEq(address(vault), vaultAddress, "the vault's address was predicted");
    }

    function _nano(uint256 assets) internal pure returns (uint128) {
        return SafeCast.toUint128(assets * 1000);
    }

    function _approveAssets(address payer, uint256 assets) internal {
        asset.mint(payer, assets);
        vm.prank(payer);
        asset.approve(address(vault), assets);
    }

    function _deposit(address account, uint256 assets) internal {
        _approveAssets(account, assets);
        vm.prank(account);
        vault.deposit(assets, account);
    }

    /// @dev Ends with CreditToken in the holder's own hands.
    function _giveTokens(address holder, uint128 amountNano) internal {
        uint256 unit = vault.nanoPerAssetUnit();
        _deposit(holder, (amountNano + unit - 1) / unit);
        vm.prank(holder);
        vault.withdrawCredit(amountNano, holder);
    }

    function _capability(bytes32 salt, uint64 maxSpendNano) internal view returns (Capability memory) {
        return Capability({
            tenant: tenant,
            jobId: keccak256(abi.encode(tenant, salt)),
            quoteHash: keccak256("quote"),
            maxSpendNano: maxSpendNano,
            holder: keccak256("holder"),
            binding: BINDING_EXPORTER,
            countersigned: false,
            validAfter: uint64(vm.getBlockTimestamp()),
            expiresAt: uint64(vm.getBlockTimestamp() + 1 hours),
            salt: salt
        });
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory signature) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _signed(Capability memory capability) internal view returns (bytes memory signature) {
        return _sign(tenantKey, authority.hashCapability(capability));
    }

    /// @dev Locks a job of the tenant that runs for an hour from now.
    function _lock(bytes32 salt, uint64 maxSpendNano) internal returns (bytes32 jobId) {
        Capability memory capability = _capability(salt, maxSpendNano);
        vault.lock(capability, _signed(capability));
        return capability.jobId;
    }

    function _charge(bytes32 jobId, uint64 amountNano, bool isFinal)
        internal
        returns (ICreditVault.Charged memory)
    {
        return _chargeWindow(jobId, amountNano, isFinal, uint64(vm.getBlockTimestamp() * 1000));
    }

    function _chargeWindow(bytes32 jobId, uint64 amountNano, bool isFinal, uint64 windowStart)
        internal
        returns (ICreditVault.Charged memory)
    {
        ICreditVault.Charge[] memory charges = new ICreditVault.Charge[](1);
        charges[0] = ICreditVault.Charge({jobId: jobId, amountNano: amountNano, isFinal: isFinal});
        vm.prank(treasury);
        return vault.charge(charges, windowStart)[0];
    }

    /// @dev The signature with the other s, which recovers to the same key.
    function _malleated(bytes memory signature) internal pure returns (bytes memory) {
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        (bytes32 r, bytes32 s, uint8 v) = _split(signature);
        return abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
    }

    function _split(bytes memory signature) internal pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }
}
