// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {ISessionChannels} from "../../../src/interfaces/ISessionChannels.sol";
import {ChannelTest} from "./ChannelTest.sol";

contract ClaimManyTest is ChannelTest {
    function test_PaysEachPayeeAcrossManyChannels() public {
        address other = makeAddr("other payee");
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _arrays(4);
        _set(vouchers, signatures, 0, channelId, 100);
        _set(vouchers, signatures, 1, open("b", payee, 200), 200);
        _set(vouchers, signatures, 2, open("c", other, 300), 250);
        _set(vouchers, signatures, 3, open("d", payee, 400), 1);
        uint64[] memory paidNano = system.channels.claimMany(vouchers, signatures);
        assertEq(paidNano[0], 100);
        assertEq(paidNano[1], 200);
        assertEq(paidNano[2], 250);
        assertEq(paidNano[3], 1);
        assertEq(system.vault.balanceOf(payee), 301);
        assertEq(system.vault.balanceOf(other), 250);
    }

    function test_BadVouchersAreSkippedWithZero() public {
        bytes32 closed = open("closed", payee, 10);
        vm.prank(payee);
        system.channels.close(voucher(closed, 0), "");
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _arrays(7);
        _set(vouchers, signatures, 0, "unknown", 1);
        _set(vouchers, signatures, 1, closed, 1);
        _set(vouchers, signatures, 2, channelId, DEPOSIT_NANO + 1);
        _set(vouchers, signatures, 3, channelId, 0);
        _set(vouchers, signatures, 4, channelId, 5);
        signatures[4] = hex"dead";
        _set(vouchers, signatures, 5, channelId, 100);
        _set(vouchers, signatures, 6, channelId, 100);
        uint64[] memory paidNano = system.channels.claimMany(vouchers, signatures);
        for (uint256 i = 0; i < 7; ++i) {
            assertEq(paidNano[i], i == 5 ? 100 : 0);
        }
        assertEq(system.vault.balanceOf(payee), 100);
    }

    function test_NeighboursOfOnePayeeArePaidInOneMove() public {
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _arrays(2);
        _set(vouchers, signatures, 0, channelId, 100);
        _set(vouchers, signatures, 1, open("b", payee, 200), 200);
        vm.expectEmit(address(system.vault));
        emit ICreditVault.CreditMoved(address(system.channels), payee, 300);
        system.channels.claimMany(vouchers, signatures);
    }

    /// @dev A zero amount alone would not show that the voucher was left alone.
    function test_VoucherWithNothingNewLeavesNoTrace() public {
        claim(channelId, 100);
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _arrays(1);
        _set(vouchers, signatures, 0, channelId, 100);
        vm.recordLogs();
        system.channels.claimMany(vouchers, signatures);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_OneChannelTwiceInOneClaim() public {
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _arrays(2);
        _set(vouchers, signatures, 0, channelId, 100);
        _set(vouchers, signatures, 1, channelId, 150);
        uint64[] memory paidNano = system.channels.claimMany(vouchers, signatures);
        assertEq(paidNano[1], 50);
        assertEq(system.vault.balanceOf(payee), 150);
    }

    function test_GasOfTenChannels() public {
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _arrays(10);
        for (uint256 i = 0; i < 10; ++i) {
            _set(vouchers, signatures, i, open(bytes32(i), payee, 100), 60);
        }
        vm.cool(address(system.channels));
        vm.cool(address(system.vault));
        system.channels.claimMany(vouchers, signatures);
        vm.snapshotGasLastCall("SessionChannels", "claimMany, 10 new channels of one payee");
        assertEq(system.vault.balanceOf(payee), 600);
    }

    function test_RevertWhen_LengthsDiffer() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISessionChannels.SessionChannels_LengthMismatch.selector, 2, 1)
        );
        system.channels.claimMany(new ISessionChannels.Voucher[](2), new bytes[](1));
    }

    function _arrays(uint256 count)
        private
        pure
        returns (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures)
    {
        return (new ISessionChannels.Voucher[](count), new bytes[](count));
    }

    function _set(
        ISessionChannels.Voucher[] memory vouchers,
        bytes[] memory signatures,
        uint256 index,
        bytes32 id,
        uint64 cumulativeNano
    ) private view {
        vouchers[index] = voucher(id, cumulativeNano);
        signatures[index] = sign(payerKey, vouchers[index]);
    }
}
