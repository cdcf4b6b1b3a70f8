// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultDepositCreditTest is FixtureVault {
    function testFuzz_DepositCredit_TakesTokensToTheNanocredit(uint128 amountNano) public {
        amountNano = uint128(bound(amountNano, 1, type(uint64).max));
        _giveTokens(stranger, amountNano);
        uint256 inVault = token.balanceOf(address(vault));
        vm.startPrank(stranger);
        token.approve(address(vault), amountNano);
        vm.expectEmit(address(vault));
        emit ICreditVault.CreditDeposited(stranger, tenant, amountNano);
        vault.depositCredit(amountNano, tenant);
        vm.stopPrank();

        assertEq(vault.balanceOf(tenant), amountNano);
        assertEq(token.balanceOf(stranger), 0);
        assertEq(token.balanceOf(address(vault)), inVault + amountNano);
    }

    function test_RevertWhen_Paused() public {
        governor.setPaused(true);
        vm.expectRevert(ICreditVault.CreditVault_Paused.selector);
        vault.depositCredit(1, tenant);
    }

    function test_RevertWhen_AmountIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vault.depositCredit(0, tenant);
    }

    function test_RevertWhen_TenantIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAddress.selector);
        vault.depositCredit(1, address(0));
    }

    function test_RevertWhen_TenantIsTheVault() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InvalidRecipient.selector, address(vault))
        );
        vault.depositCredit(1, address(vault));
    }

    function test_RevertGiven_TheAllowanceIsTooSmall() public {
        _giveTokens(stranger, CREDIT);
        vm.startPrank(stranger);
        token.approve(address(vault), CREDIT - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(vault), CREDIT - 1, CREDIT
            )
        );
        vault.depositCredit(CREDIT, stranger);
    }

    function test_RevertGiven_TheCallerHasTooFewTokens() public {
        vm.startPrank(stranger);
        token.approve(address(vault), CREDIT);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, stranger, 0, CREDIT)
        );
        vault.depositCredit(CREDIT, stranger);
    }
}
