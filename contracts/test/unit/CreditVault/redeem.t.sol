// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultRedeemTest is FixtureVault {
    function testFuzz_Redeem_BurnsTheCallersTokens(uint256 assets) public {
        assets = bound(assets, 1, 5 * USDC);
        _giveTokens(tenant, 5 * CREDIT);

        vm.expectEmit(address(vault));
        emit ICreditVault.Redeemed(tenant, stranger, assets, assets * 1000);
        vm.prank(tenant);
        assertEq(vault.redeem(assets * 1000, stranger), assets);

        assertEq(token.balanceOf(tenant), 5 * CREDIT - assets * 1000);
        assertEq(asset.balanceOf(stranger), assets);
        assertEq(asset.balanceOf(address(vault)) * 1000, token.totalSupply());
    }

    function test_Redeem_WorksWhilePausedAndWithoutAllowance() public {
        _giveTokens(tenant, CREDIT);
        governor.setPaused(true);
        vm.prank(tenant);
        vault.redeem(CREDIT, tenant);
        assertEq(asset.balanceOf(tenant), USDC);
    }

    function test_Redeem_LeavesAccountsAlone() public {
        _deposit(tenant, USDC);
        _giveTokens(stranger, CREDIT);
        vm.prank(stranger);
        vault.redeem(CREDIT, stranger);
        assertEq(vault.balanceOf(tenant), CREDIT);
        assertEq(token.balanceOf(address(vault)), CREDIT);
    }

    function test_RevertWhen_AmountIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vault.redeem(0, tenant);
    }

    function testFuzz_RevertWhen_AmountIsNoWholeUnit(uint256 amountNano) public {
        vm.assume(amountNano % 1000 != 0);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_NotAssetMultiple.selector, amountNano)
        );
        vault.redeem(amountNano, tenant);
    }

    function test_RevertWhen_RecipientIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAddress.selector);
        vault.redeem(1000, address(0));
    }

    function test_RevertWhen_RecipientIsTheVault() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InvalidRecipient.selector, address(vault))
        );
        vault.redeem(1000, address(vault));
    }

    function test_RevertWhen_TheCallerHasTooFewTokens() public {
        _deposit(tenant, USDC);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, tenant, 0, CREDIT)
        );
        vm.prank(tenant);
        vault.redeem(CREDIT, tenant);
    }
}
