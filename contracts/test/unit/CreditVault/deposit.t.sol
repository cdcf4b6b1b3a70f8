// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ERC20Capped} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureCallbackAsset, FixtureFeeAsset} from "../../utils/FixtureAssets.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultDepositTest is FixtureVault {
    function testFuzz_Deposit_CreditsTheTenantAndMintsTheReserve(uint256 assets) public {
        assets = bound(assets, 1, type(uint64).max);
        _approveAssets(stranger, assets);

        vm.expectEmit(address(vault));
        emit ICreditVault.Deposited(stranger, tenant, assets, _nano(assets));
        vm.prank(stranger);
        uint128 amountNano = vault.deposit(assets, tenant);

        assertEq(amountNano, assets * 1000);
        assertEq(vault.balanceOf(tenant), amountNano);
        assertEq(vault.balanceOf(stranger), 0);
        assertEq(asset.balanceOf(address(vault)), assets);
        assertEq(asset.balanceOf(stranger), 0);
        assertEq(token.balanceOf(address(vault)), amountNano);
        assertEq(token.totalSupply(), amountNano);
    }

    function test_Deposit_AddsToWhatIsThere() public {
        _deposit(tenant, USDC);
        _deposit(tenant, 2 * USDC);
        assertEq(vault.balanceOf(tenant), 3 * CREDIT);
    }

    function test_RevertWhen_Paused() public {
        _approveAssets(tenant, USDC);
        governor.setPaused(true);
        vm.expectRevert(ICreditVault.CreditVault_Paused.selector);
        vm.prank(tenant);
        vault.deposit(USDC, tenant);
    }

    function test_RevertWhen_AmountIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vault.deposit(0, tenant);
    }

    function test_RevertWhen_TenantIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAddress.selector);
        vault.deposit(1, address(0));
    }

    function test_RevertWhen_TenantIsTheVault() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InvalidRecipient.selector, address(vault))
        );
        vault.deposit(1, address(vault));
    }

    function testFuzz_RevertWhen_AmountExceedsAnAccount(uint256 assets) public {
        assets = bound(assets, uint256(type(uint128).max) / 1000 + 1, type(uint256).max);
        _approveAssets(tenant, assets);
        vm.expectRevert(abi.encodeWithSelector(ICreditVault.CreditVault_AmountTooLarge.selector, assets));
        vm.prank(tenant);
        vault.deposit(assets, tenant);
    }

    function test_RevertWhen_SupplyWouldExceedAnAccount() public {
        uint256 most = uint256(type(uint128).max) / 1000;
        _deposit(tenant, most);
        _approveAssets(stranger, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ERC20Capped.ERC20ExceededCap.selector, (most + 1) * 1000, uint256(type(uint128).max)
            )
        );
        vm.prank(stranger);
        vault.deposit(1, stranger);
    }

    function test_RevertWhen_TheAssetKeepsAFee() public {
        _deploy(new FixtureFeeAsset());
        // What lies there already must not hide the shortfall.
        asset.mint(address(vault), 1000 * USDC);
        _approveAssets(tenant, 100 * USDC);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_AssetShortfall.selector, 100 * USDC, 99 * USDC)
        );
        vm.prank(tenant);
        vault.deposit(100 * USDC, tenant);
    }

    function test_RevertGiven_TheAssetCallsBackIntoDeposit() public {
        FixtureCallbackAsset hostile = new FixtureCallbackAsset();
        _deploy(hostile);
        _approveAssets(tenant, USDC);
        hostile.callDuringTransfer(address(vault), abi.encodeCall(vault.deposit, (1, tenant)));
        vm.prank(tenant);
        vault.deposit(USDC, tenant);

        bytes4 reentrant = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        assertEq(hostile.failure(), abi.encodePacked(reentrant));
        assertEq(vault.balanceOf(tenant), CREDIT);
    }
}
