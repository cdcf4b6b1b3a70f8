// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {ISessionChannels} from "../../../src/interfaces/ISessionChannels.sol";
import {ChannelTest} from "./ChannelTest.sol";

contract CloseTest is ChannelTest {
    function testFuzz_CloseClaimsTheLastVoucherAndRefunds(uint64 claimedNano, uint64 lastNano) public {
        claimedNano = uint64(bound(claimedNano, 0, DEPOSIT_NANO));
        lastNano = uint64(bound(lastNano, 0, DEPOSIT_NANO));
        if (claimedNano != 0) claim(channelId, claimedNano);
        uint64 finalNano = lastNano > claimedNano ? lastNano : claimedNano;
        ISessionChannels.Voucher memory signed = voucher(channelId, lastNano);
        bytes memory signature = sign(payerKey, signed);

        vm.prank(payee);
        vm.expectEmit(address(system.channels));
        emit ISessionChannels.ChannelClosed(channelId, finalNano, DEPOSIT_NANO - finalNano);
        system.channels.close(signed, signature);
        assertState(ISessionChannels.ChannelState.Closed);
        assertEq(system.vault.balanceOf(payee), finalNano);
        assertEq(system.vault.balanceOf(payer), 1_000_000 - finalNano);
        assertEq(system.vault.balanceOf(address(system.channels)), 0);
    }

    function test_CloseOfASpentChannelRefundsNothing() public {
        ISessionChannels.Voucher memory signed = voucher(channelId, DEPOSIT_NANO);
        bytes memory signature = sign(payerKey, signed);
        vm.expectCall(
            address(system.vault), abi.encodeCall(ICreditVault.moveCredit, (payee, DEPOSIT_NANO)), 1
        );
        vm.expectCall(address(system.vault), abi.encodePacked(ICreditVault.moveCredit.selector), 1);
        vm.prank(payee);
        system.channels.close(signed, signature);
        assertState(ISessionChannels.ChannelState.Closed);
        assertEq(system.vault.balanceOf(payee), DEPOSIT_NANO);
    }

    function test_CloseRefundsTheLastNanocredit() public {
        claim(channelId, DEPOSIT_NANO - 1);
        vm.prank(payee);
        system.channels.close(voucher(channelId, 0), "");
        assertEq(system.vault.balanceOf(payer), 1_000_000 - DEPOSIT_NANO + 1);
    }

    /// @dev Anyone may submit the same voucher first; the close must not fail for it.
    function test_CloseSurvivesAFrontRunningClaim() public {
        claim(channelId, 700);
        ISessionChannels.Voucher memory signed = voucher(channelId, 700);
        bytes memory signature = sign(payerKey, signed);
        vm.prank(payee);
        system.channels.close(signed, signature);
        assertEq(system.vault.balanceOf(payee), 700);
    }

    function test_CloseDuringAnExit() public {
        startExit();
        vm.prank(payee);
        system.channels.close(voucher(channelId, 0), "");
        assertState(ISessionChannels.ChannelState.Closed);
        assertEq(system.vault.balanceOf(payer), 1_000_000);
    }

    function test_RevertWhen_CloserIsNotThePayee() public {
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(ISessionChannels.SessionChannels_NotPayee.selector, payer));
        system.channels.close(voucher(channelId, 0), "");
    }

    function test_RevertWhen_LastVoucherIsBad() public {
        vm.startPrank(payee);
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_InvalidSignature.selector, channelId)
        );
        system.channels.close(voucher(channelId, 1), hex"dead");
        vm.expectRevert(
            abi.encodeWithSelector(
                ISessionChannels.SessionChannels_AboveDeposit.selector,
                channelId,
                DEPOSIT_NANO,
                DEPOSIT_NANO + 1
            )
        );
        system.channels.close(voucher(channelId, DEPOSIT_NANO + 1), "");
    }

    function test_RevertWhen_ClosedTwiceOrUnknown() public {
        vm.startPrank(payee);
        system.channels.close(voucher(channelId, 0), "");
        vm.expectRevert(wrongState(ISessionChannels.ChannelState.Closed));
        system.channels.close(voucher(channelId, 0), "");
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_UnknownChannel.selector, bytes32("x"))
        );
        system.channels.close(voucher("x", 0), "");
    }

    function test_ExitGivesTheRestBackAfterTheDelay() public {
        claim(channelId, 300);
        vm.prank(payer);
        vm.expectEmit(address(system.channels));
        emit ISessionChannels.ChannelExitStarted(channelId, uint40(block.timestamp + 1 days));
        system.channels.startExit(channelId);
        assertEq(claim(channelId, 400), 100);

        uint40 exitAt = system.channels.channelOf(channelId).exitAt;
        vm.warp(exitAt - 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_NotYetExitable.selector, exitAt)
        );
        system.channels.exit(channelId);
        vm.warp(exitAt);
        vm.prank(makeAddr("anyone"));
        system.channels.exit(channelId);
        assertState(ISessionChannels.ChannelState.Closed);
        assertEq(system.vault.balanceOf(payer), 1_000_000 - 400);
        assertEq(system.vault.balanceOf(payee), 400);
    }

    function test_ExitOfAnEmptyChannelAndWhilePaused() public {
        claim(channelId, DEPOSIT_NANO);
        startExit();
        pause();
        skip(1 days);
        system.channels.exit(channelId);
        assertState(ISessionChannels.ChannelState.Closed);
    }

    function test_RevertWhen_ExitIsNotAllowed() public {
        vm.expectRevert(wrongState(ISessionChannels.ChannelState.Open));
        system.channels.exit(channelId);
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_NotPayer.selector, address(this))
        );
        system.channels.startExit(channelId);
        bytes memory unknown =
            abi.encodeWithSelector(ISessionChannels.SessionChannels_UnknownChannel.selector, bytes32("x"));
        vm.expectRevert(unknown);
        system.channels.startExit("x");
        vm.expectRevert(unknown);
        system.channels.exit("x");
        startExit();
        vm.prank(payer);
        vm.expectRevert(wrongState(ISessionChannels.ChannelState.Closing));
        system.channels.startExit(channelId);
    }
}
