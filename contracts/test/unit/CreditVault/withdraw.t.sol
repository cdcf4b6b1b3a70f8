// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureCallbackAsset} from "../../utils/FixtureAssets.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultWithdrawTest is FixtureVault {
    function testFuzz_Withdraw_BurnsAndPays(uint256 deposited, uint256 assets) public {
        deposited = bound(deposited, 1, type(uint64).max);
        assets = bound(assets, 1, deposited);
        _deposit(tenant, deposited);

        vm.expectEmit(address(vault));
        emit ICreditVault.Withdrawn(tenant, stranger, assets, _nano(assets));
        vm.prank(tenant);
        assertEq(vault.withdraw(_nano(assets), stranger), assets);

        assertEq(vault.balanceOf(tenant), (deposited - assets) * 1000);
        assertEq(asset.balanceOf(stranger), assets);
        assertEq(asset.balanceOf(address(vault)), deposited - assets);
        assertEq(token.totalSupply(), (deposited - assets) * 1000);
        assertEq(token.balanceOf(address(vault)), (deposited - assets) * 1000);
    }

    function test_Withdraw_WorksWhilePaused() public {
        _deposit(tenant, USDC);
        governor.setPaused(true);
        vm.prank(tenant);
        vault.withdraw(CREDIT, tenant);
        assertEq(asset.balanceOf(tenant), USDC);
    }

    function test_RevertWhen_AmountIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vault.withdraw(0, tenant);
    }

    function testFuzz_RevertWhen_AmountIsNoWholeUnit(uint128 amountNano) public {
        vm.assume(amountNano % 1000 != 0);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_NotAssetMultiple.selector, amountNano)
        );
        vault.withdraw(amountNano, tenant);
    }

    function test_RevertWhen_RecipientIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAddress.selector);
        vault.withdraw(1000, address(0));
    }

    function test_RevertWhen_RecipientIsTheVault() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InvalidRecipient.selector, address(vault))
        );
        vault.withdraw(1000, address(vault));
    }

    function test_RevertWhen_AmountExceedsTheFreeCredit() public {
        _deposit(tenant, USDC);
        _lock("job", 1000);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_InsufficientBalance.selector, tenant, CREDIT - 1000, CREDIT
            )
        );
        vm.prank(tenant);
        vault.withdraw(CREDIT, tenant);
    }

    function test_RevertGiven_TheAssetCallsBackIntoWithdraw() public {
        FixtureCallbackAsset hostile = new FixtureCallbackAsset();
        _deploy(hostile);
        _deposit(tenant, 2 * USDC);
        hostile.callDuringTransfer(address(vault), abi.encodeCall(vault.withdraw, (CREDIT, tenant)));
        vm.prank(tenant);
        vault.withdraw(CREDIT, tenant);

        bytes4 reentrant = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        assertEq(hostile.failure(), abi.encodePacked(reentrant));
        assertEq(asset.balanceOf(tenant), USDC);
        assertEq(vault.balanceOf(tenant), CREDIT);
    }

    function test_Withdraw_IsDoneWithItsBooksWhenTheAssetCallsBack() public {
        FixtureCallbackAsset hostile = new FixtureCallbackAsset();
        _deploy(hostile);
        _deposit(address(hostile), USDC);
        hostile.callDuringTransfer(address(vault), abi.encodeCall(vault.moveCredit, (stranger, CREDIT)));
        vm.prank(address(hostile));
        vault.withdraw(CREDIT, tenant);

        assertEq(
            hostile.failure(),
            abi.encodeWithSelector(
                ICreditVault.CreditVault_InsufficientBalance.selector, address(hostile), 0, CREDIT
            )
        );
    }
}
