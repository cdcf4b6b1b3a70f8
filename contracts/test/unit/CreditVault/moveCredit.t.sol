// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultMoveCreditTest is FixtureVault {
    function testFuzz_MoveCredit_MovesBetweenAccounts(uint128 amountNano) public {
        amountNano = uint128(bound(amountNano, 1, CREDIT));
        _deposit(tenant, USDC);

        vm.expectEmit(address(vault));
        emit ICreditVault.CreditMoved(tenant, stranger, amountNano);
        vm.prank(tenant);
        vault.moveCredit(stranger, amountNano);

        assertEq(vault.balanceOf(tenant), CREDIT - amountNano);
        assertEq(vault.balanceOf(stranger), amountNano);
    }

    function testFuzz_MoveCredit_ToOneselfChangesNothing(uint128 amountNano) public {
        amountNano = uint128(bound(amountNano, 1, CREDIT));
        _deposit(tenant, USDC);
        vm.prank(tenant);
        vault.moveCredit(tenant, amountNano);
        assertEq(vault.balanceOf(tenant), CREDIT);
    }

    function test_MoveCredit_WorksWhilePaused() public {
        _deposit(tenant, USDC);
        governor.setPaused(true);
        vm.prank(tenant);
        vault.moveCredit(stranger, CREDIT);
        assertEq(vault.balanceOf(stranger), CREDIT);
    }

    function test_RevertWhen_RecipientIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAddress.selector);
        vault.moveCredit(address(0), 1);
    }

    function test_RevertWhen_RecipientIsTheVault() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InvalidRecipient.selector, address(vault))
        );
        vault.moveCredit(address(vault), 1);
    }

    function test_RevertWhen_AmountIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vault.moveCredit(stranger, 0);
    }

    function test_RevertWhen_AmountExceedsTheFreeCredit() public {
        _deposit(tenant, USDC);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_InsufficientBalance.selector, tenant, CREDIT, CREDIT + 1
            )
        );
        vm.prank(tenant);
        vault.moveCredit(stranger, CREDIT + 1);
    }
}
