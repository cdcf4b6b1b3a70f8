// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultWithdrawCreditTest is FixtureVault {
    function testFuzz_WithdrawCredit_PaysTokensToTheNanocredit(uint128 amountNano) public {
        amountNano = uint128(bound(amountNano, 1, 5 * CREDIT));
        _deposit(tenant, 5 * USDC);

        vm.expectEmit(address(vault));
        emit ICreditVault.CreditWithdrawn(tenant, stranger, amountNano);
        vm.prank(tenant);
        vault.withdrawCredit(amountNano, stranger);

        assertEq(token.balanceOf(stranger), amountNano);
        assertEq(vault.balanceOf(tenant), 5 * CREDIT - amountNano);
        assertEq(token.balanceOf(address(vault)), 5 * CREDIT - amountNano);
        assertEq(asset.balanceOf(address(vault)), 5 * USDC);
    }

    function test_WithdrawCredit_WorksWhilePaused() public {
        _deposit(tenant, USDC);
        governor.setPaused(true);
        vm.prank(tenant);
        vault.withdrawCredit(CREDIT, tenant);
        assertEq(token.balanceOf(tenant), CREDIT);
    }

    function test_RevertWhen_AmountIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vault.withdrawCredit(0, tenant);
    }

    function test_RevertWhen_RecipientIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAddress.selector);
        vault.withdrawCredit(1, address(0));
    }

    function test_RevertWhen_RecipientIsTheVault() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InvalidRecipient.selector, address(vault))
        );
        vault.withdrawCredit(1, address(vault));
    }

    function test_RevertWhen_AmountExceedsTheFreeCredit() public {
        _deposit(tenant, USDC);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_InsufficientBalance.selector, tenant, CREDIT, CREDIT + 1
            )
        );
        vm.prank(tenant);
        vault.withdrawCredit(CREDIT + 1, tenant);
    }
}
