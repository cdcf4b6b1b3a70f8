// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ICapabilityAuthority} from "../../src/interfaces/ICapabilityAuthority.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {MockUSDC} from "../../src/mocks/MockUSDC.sol";
import {Capability} from "../../src/types/Capability.sol";
import {FixtureCallbackAsset, FixtureFeeAsset} from "../utils/FixtureAssets.sol";
import {FixtureVault} from "../utils/FixtureVault.sol";

/// @notice An asset that moves nothing and says so instead of reverting.
contract FalseAsset is MockUSDC {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @notice Assets that lie, keep a part, or call back.
contract HostileAssetsTest is FixtureVault {
    function test_AssetThatReturnsFalseMintsNothing() public {
        _deploy(new FalseAsset());
        _approveAssets(tenant, USDC);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, asset));
        vault.deposit(USDC, tenant);
        assertEq(token.totalSupply(), 0);
        assertEq(vault.balanceOf(tenant), 0);
    }

    function test_AssetThatKeepsAFeeMintsNothing() public {
        _deploy(new FixtureFeeAsset());
        _approveAssets(tenant, USDC);
        vm.prank(tenant);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_AssetShortfall.selector, USDC, USDC * 99 / 100)
        );
        vault.deposit(USDC, tenant);
        assertEq(token.totalSupply(), 0);
    }

    function test_AssetThatKeepsAFeeMintsNothingByPermitEither() public {
        _deploy(new FixtureFeeAsset());
        _approveAssets(tenant, USDC);
        vm.prank(tenant);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_AssetShortfall.selector, USDC, USDC * 99 / 100)
        );
        vault.depositWithPermit(USDC, tenant, 0, 0, 0, 0);
        assertEq(token.totalSupply(), 0);
    }

    function test_AssetThatReentersGainsNothing() public {
        FixtureCallbackAsset callback = new FixtureCallbackAsset();
        _deploy(callback);
        _deposit(tenant, 10 * USDC);
        callback.callDuringTransfer(address(vault), abi.encodeCall(ICreditVault.redeem, (CREDIT, stranger)));
        vm.prank(tenant);
        vault.withdraw(CREDIT, tenant);
        bytes4 refusal = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        assertEq(bytes4(callback.failure()), refusal);
        assertEq(asset.balanceOf(address(vault)) * 1000, token.totalSupply());
    }

    function test_SignatureWithHighSLocksNothing() public {
        _deposit(tenant, USDC);
        Capability memory capability = _capability("job", CREDIT);
        bytes memory malleated = _malleated(_signed(capability));
        vm.expectRevert(
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, tenant)
        );
        vault.lock(capability, malleated);
        assertEq(vault.balanceOf(tenant), CREDIT);
    }

    function test_CompactSignatureLocksNothing() public {
        _deposit(tenant, USDC);
        Capability memory capability = _capability("job", CREDIT);
        (bytes32 r, bytes32 s, uint8 v) = _split(_signed(capability));
        bytes memory compact = abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
        vm.expectRevert(
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, tenant)
        );
        vault.lock(capability, compact);
        assertEq(vault.balanceOf(tenant), CREDIT);
    }
}
