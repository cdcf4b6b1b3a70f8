// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultPullForChannelTest is FixtureVault {
    function testFuzz_PullForChannel_MovesToTheChannels(uint128 amountNano) public {
        amountNano = uint128(bound(amountNano, 1, CREDIT));
        _deposit(tenant, USDC);

        vm.expectEmit(address(vault));
        emit ICreditVault.CreditMoved(tenant, channels, amountNano);
        vm.prank(channels);
        vault.pullForChannel(tenant, amountNano);

        assertEq(vault.balanceOf(tenant), CREDIT - amountNano);
        assertEq(vault.balanceOf(channels), amountNano);
    }

    function testFuzz_RevertWhen_TheCallerIsNotTheChannels(address caller) public {
        vm.assume(caller != channels);
        _deposit(tenant, USDC);
        vm.expectRevert(abi.encodeWithSelector(ICreditVault.CreditVault_NotChannels.selector, caller));
        vm.prank(caller);
        vault.pullForChannel(tenant, CREDIT);
    }

    function test_RevertWhen_AmountIsZero() public {
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vm.prank(channels);
        vault.pullForChannel(tenant, 0);
    }

    function test_RevertWhen_AmountExceedsTheFreeCredit() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InsufficientBalance.selector, tenant, 0, 1)
        );
        vm.prank(channels);
        vault.pullForChannel(tenant, 1);
    }
}
