// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {ISessionChannels} from "../../../src/interfaces/ISessionChannels.sol";
import {ChannelTest} from "./ChannelTest.sol";

contract OpenTest is ChannelTest {
    function test_OpenTakesTheDepositFromFreeCredit() public {
        bytes32 expected = system.channels.channelIdOf(payer, payee, "another");
        vm.expectEmit(address(system.channels));
        emit ISessionChannels.ChannelOpened(expected, payer, payee, 500);
        assertEq(open("another", payee, 500), expected);

        ISessionChannels.Channel memory channel = system.channels.channelOf(expected);
        assertEq(channel.payer, payer);
        assertEq(channel.payee, payee);
        assertEq(channel.depositNano, 500);
        assertEq(channel.claimedNano, 0);
        assertEq(channel.exitAt, 0);
        assertEq(system.vault.balanceOf(payer), 1_000_000 - DEPOSIT_NANO - 500);
        assertEq(system.vault.balanceOf(address(system.channels)), DEPOSIT_NANO + 500);
    }

    function testFuzz_IdIsOfChainContractPayerPayeeAndSalt(address from, address to, bytes32 salt)
        public
        view
    {
        assertEq(
            system.channels.channelIdOf(from, to, salt),
            keccak256(abi.encode(block.chainid, address(system.channels), from, to, salt))
        );
    }

    function test_OpenWorksWhilePaused() public {
        pause();
        open("another", payee, 500);
        assertEq(system.vault.balanceOf(address(system.channels)), DEPOSIT_NANO + 500);
    }

    function testFuzz_Fund(uint64 amountNano) public {
        amountNano = uint64(bound(amountNano, 1, 1_000_000 - DEPOSIT_NANO));
        vm.prank(payer);
        vm.expectEmit(address(system.channels));
        emit ISessionChannels.ChannelFunded(channelId, amountNano, DEPOSIT_NANO + amountNano);
        system.channels.fund(channelId, amountNano);
        assertEq(system.channels.channelOf(channelId).depositNano, DEPOSIT_NANO + amountNano);
        assertEq(claim(channelId, DEPOSIT_NANO + amountNano), DEPOSIT_NANO + amountNano);
    }

    function test_RevertWhen_ChannelExists() public {
        bytes memory reason =
            abi.encodeWithSelector(ISessionChannels.SessionChannels_ChannelExists.selector, channelId);
        vm.expectRevert(reason);
        open("salt", payee, 1);
        // A closed channel cannot be opened again either: its vouchers would be good once more.
        vm.prank(payee);
        system.channels.close(voucher(channelId, 0), "");
        vm.expectRevert(reason);
        open("salt", payee, 1);
    }

    function test_RevertWhen_PayeeOrAmountIsNotValid() public {
        vm.startPrank(payer);
        vm.expectRevert(ISessionChannels.SessionChannels_ZeroAddress.selector);
        system.channels.open(address(0), "a", 1);
        vm.expectRevert(ISessionChannels.SessionChannels_ZeroAmount.selector);
        system.channels.open(payee, "a", 0);
        address[2] memory refused = [address(system.vault), address(system.channels)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ISessionChannels.SessionChannels_InvalidPayee.selector, refused[i])
            );
            system.channels.open(refused[i], "a", 1);
        }
    }

    function test_RevertWhen_CreditDoesNotCoverTheDeposit() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_InsufficientBalance.selector, payer, 999_000, 999_001
            )
        );
        open("a", payee, 999_001);
    }

    function test_RevertWhen_FundingIsNotAllowed() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_NotPayer.selector, address(this))
        );
        system.channels.fund(channelId, 1);
        vm.startPrank(payer);
        vm.expectRevert(ISessionChannels.SessionChannels_ZeroAmount.selector);
        system.channels.fund(channelId, 0);
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_UnknownChannel.selector, bytes32("x"))
        );
        system.channels.fund("x", 1);
        system.channels.startExit(channelId);
        vm.expectRevert(wrongState(ISessionChannels.ChannelState.Closing));
        system.channels.fund(channelId, 1);
    }
}
