// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISessionChannels} from "../../../src/interfaces/ISessionChannels.sol";
import {FixtureWallet} from "../../utils/FixtureWallet.sol";
import {ChannelTest} from "./ChannelTest.sol";

contract ClaimTest is ChannelTest {
    function testFuzz_ClaimsAreCumulative(uint64 first, uint64 second) public {
        first = uint64(bound(first, 1, DEPOSIT_NANO - 1));
        second = uint64(bound(second, first + 1, DEPOSIT_NANO));
        assertEq(claim(channelId, first), first);
        vm.expectEmit(address(system.channels));
        emit ISessionChannels.ChannelClaimed(channelId, second - first, second);
        assertEq(claim(channelId, second), second - first);
        assertEq(system.vault.balanceOf(payee), second);
        assertEq(system.vault.balanceOf(address(system.channels)), DEPOSIT_NANO - second);
        assertEq(system.channels.channelOf(channelId).claimedNano, second);
    }

    function test_GasOfAClaim() public {
        ISessionChannels.Voucher memory signed = voucher(channelId, 10);
        bytes memory signature = sign(payerKey, signed);
        vm.cool(address(system.channels));
        vm.cool(address(system.vault));
        system.channels.claim(signed, signature);
        vm.snapshotGasLastCall("SessionChannels", "claim, first of a channel");
    }

    function test_HashIsEip712() public view {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("SessionChannels"),
                keccak256("1"),
                block.chainid,
                address(system.channels)
            )
        );
        assertEq(system.channels.DOMAIN_SEPARATOR(), separator);
        bytes32 structHash = keccak256(
            abi.encode(keccak256("Voucher(bytes32 channelId,uint64 cumulativeNano)"), channelId, uint64(7))
        );
        assertEq(
            system.channels.hashVoucher(voucher(channelId, 7)),
            keccak256(abi.encodePacked(hex"1901", separator, structHash))
        );
    }

    function test_ContractPayerSignsByErc1271() public {
        FixtureWallet account = new FixtureWallet(payer);
        fund(address(account), 1000);
        vm.prank(address(account));
        bytes32 id = system.channels.open(payee, "contract", 1000);
        assertEq(claim(id, 400), 400);
        ISessionChannels.Voucher memory signed = voucher(id, 500);
        bytes memory signature = sign(payerKey + 1, signed);
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_InvalidSignature.selector, id)
        );
        system.channels.claim(signed, signature);
    }

    function test_RevertWhen_VoucherIsNotIncreasing() public {
        claim(channelId, 500);
        ISessionChannels.Voucher memory signed = voucher(channelId, 500);
        bytes memory signature = sign(payerKey, signed);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISessionChannels.SessionChannels_NotIncreasing.selector, channelId, 500, 500
            )
        );
        system.channels.claim(signed, signature);
    }

    function test_RevertWhen_VoucherIsAboveTheDeposit() public {
        ISessionChannels.Voucher memory signed = voucher(channelId, DEPOSIT_NANO + 1);
        bytes memory signature = sign(payerKey, signed);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISessionChannels.SessionChannels_AboveDeposit.selector,
                channelId,
                DEPOSIT_NANO,
                DEPOSIT_NANO + 1
            )
        );
        system.channels.claim(signed, signature);
    }

    function testFuzz_RevertWhen_SignerIsNotThePayer(uint256 key) public {
        key = boundPrivateKey(key);
        vm.assume(key != payerKey);
        ISessionChannels.Voucher memory signed = voucher(channelId, 1);
        bytes memory signature = sign(key, signed);
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_InvalidSignature.selector, channelId)
        );
        system.channels.claim(signed, signature);
    }

    function test_RevertWhen_SignatureIsForAnotherChannel() public {
        bytes32 other = open("other", payee, 100);
        bytes memory signature = sign(payerKey, voucher(other, 50));
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_InvalidSignature.selector, channelId)
        );
        system.channels.claim(voucher(channelId, 50), signature);
    }

    function test_RevertWhen_ChannelIsUnknownOrClosed() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_UnknownChannel.selector, bytes32("x"))
        );
        system.channels.claim(voucher("x", 1), "");
        vm.prank(payee);
        system.channels.close(voucher(channelId, 0), "");
        ISessionChannels.Voucher memory signed = voucher(channelId, 1);
        bytes memory signature = sign(payerKey, signed);
        vm.expectRevert(wrongState(ISessionChannels.ChannelState.Closed));
        system.channels.claim(signed, signature);
    }

    function test_RevertWhen_TheVoucherFallsBack() public {
        claim(channelId, 100);
        ISessionChannels.Voucher memory lower = voucher(channelId, 40);
        bytes memory signature = sign(payerKey, lower);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISessionChannels.SessionChannels_NotIncreasing.selector, channelId, 100, 40
            )
        );
        system.channels.claim(lower, signature);
    }
}
