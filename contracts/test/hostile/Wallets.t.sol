// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICapabilityAuthority} from "../../src/interfaces/ICapabilityAuthority.sol";
import {ICreditToken} from "../../src/interfaces/ICreditToken.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {BINDING_EXPORTER, Capability} from "../../src/types/Capability.sol";
import {Line} from "../../src/types/Line.sol";
import {HostileWallet} from "../utils/HostileWallet.sol";
import {SystemTest} from "../utils/SystemTest.sol";

/// @notice Accounts that lie about their own signatures, or change their mind: all they may hurt is themselves.
contract HostileWalletsTest is SystemTest {
    uint64 private constant FREE_NANO = 1_000_000;
    uint64 private constant DEPOSIT_NANO = 1000;
    uint8 private constant LIES = uint8(HostileWallet.Answer.Yes);

    HostileWallet private _wallet;
    address private _payee = makeAddr("payee");
    bytes32 private _hostileChannel;
    bytes32 private _goodChannel;

    function setUp() public override {
        super.setUp();
        _wallet = new HostileWallet();
        fund(address(_wallet), FREE_NANO);
        fund(tenant, FREE_NANO);
        vm.prank(address(_wallet));
        _hostileChannel = system.channels.open(_payee, "salt", DEPOSIT_NANO);
        vm.prank(tenant);
        _goodChannel = system.channels.open(_payee, "salt", DEPOSIT_NANO);
        _wallet.reenterWith(
            address(system.vault), abi.encodeCall(ICreditVault.moveCredit, (address(this), FREE_NANO / 2))
        );
    }

    function test_WalletThatDoesNotAnswerTheMagicValueLocksNothing() public {
        Capability memory capability = _capability();
        for (uint8 i = 0; i < LIES; ++i) {
            _wallet.set(HostileWallet.Answer(i));
            vm.expectRevert(
                abi.encodeWithSelector(
                    ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, address(_wallet)
                )
            );
            system.vault.lock{gas: 1_000_000}(capability, "");
            assertEq(system.vault.balanceOf(address(_wallet)), FREE_NANO - DEPOSIT_NANO);
            assertEq(uint8(_stateOf(capability.jobId)), uint8(ICreditVault.LockState.None));
        }
    }

    function test_WalletThatDoesNotAnswerTheMagicValueRevokesNothingButByItself() public {
        for (uint8 i = 0; i < LIES; ++i) {
            _wallet.set(HostileWallet.Answer(i));
            vm.expectRevert(
                abi.encodeWithSelector(
                    ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, address(_wallet)
                )
            );
            system.authority.revokeWithSignature{gas: 1_000_000}(
                address(_wallet), "salt", block.timestamp, ""
            );
        }
        vm.prank(address(_wallet));
        system.authority.revoke("salt");
    }

    function test_WalletThatDoesNotAnswerTheMagicValueMovesNoToken() public {
        fundToken(address(_wallet), 1000);
        for (uint8 i = 0; i < LIES; ++i) {
            _wallet.set(HostileWallet.Answer(i));
            vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
            system.token.transferWithAuthorization{gas: 1_000_000}(
                address(_wallet), address(this), 1000, 0, type(uint256).max, "nonce", ""
            );
        }
        assertEq(system.token.balanceOf(address(_wallet)), 1000);
    }

    /// @dev In the middle of others, each kind of liar is skipped and the others are paid.
    function test_ClaimManySkipsEveryPayerThatLies() public {
        for (uint8 i = 0; i < uint8(HostileWallet.Answer.BurnGas); ++i) {
            uint256 before = vm.snapshotState();
            _wallet.set(HostileWallet.Answer(i));
            (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _goodHostileGood();
            uint64[] memory paidNano = system.channels.claimMany(vouchers, signatures);
            assertEq(paidNano[0], 100);
            assertEq(paidNano[1], 0);
            assertEq(paidNano[2], 150);
            assertEq(system.vault.balanceOf(_payee), 250);
            assertEq(system.channels.channelOf(_hostileChannel).claimedNano, 0);
            vm.revertToState(before);
        }
    }

    /// @dev The very calls that fail inside the question succeed outside it.
    function test_ClaimManyGivesAWalletNoChanceToReenter() public {
        _expectNoReentry(
            address(system.vault), abi.encodeCall(ICreditVault.moveCredit, (address(this), FREE_NANO / 2))
        );
        address channels = address(system.channels);
        _expectNoReentry(channels, abi.encodeCall(ISessionChannels.open, (address(this), "other", 1)));
        _expectNoReentry(channels, abi.encodeCall(ISessionChannels.fund, (_hostileChannel, 1)));
        _expectNoReentry(channels, abi.encodeCall(ISessionChannels.startExit, (_hostileChannel)));
    }

    /// @dev What it burns is 63/64 of what is left: the claim it stands in fails whole, and passes without it.
    function test_PayerThatBurnsTheGasStopsOnlyTheClaimItStandsIn() public {
        _wallet.set(HostileWallet.Answer.BurnGas);
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _goodHostileGood();
        bytes memory call_ = abi.encodeCall(ISessionChannels.claimMany, (vouchers, signatures));
        (bool succeeded,) = address(system.channels).call{gas: 1_000_000}(call_);
        assertFalse(succeeded);
        assertEq(system.vault.balanceOf(_payee), 0);
        assertEq(system.channels.channelOf(_goodChannel).claimedNano, 0);

        vouchers[1] = vouchers[0];
        system.channels.claimMany{gas: 1_000_000}(vouchers, signatures);
        assertEq(system.vault.balanceOf(_payee), 250);
    }

    function test_PayerThatTakesItsSignatureBackKeepsOnlyWhatIsUnclaimed() public {
        _wallet.set(HostileWallet.Answer.Yes);
        system.channels.claim(_voucher(_hostileChannel, 300), "");
        _wallet.set(HostileWallet.Answer.Nothing);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISessionChannels.SessionChannels_InvalidSignature.selector, _hostileChannel
            )
        );
        system.channels.claim(_voucher(_hostileChannel, 500), "");
        assertEq(system.vault.balanceOf(_payee), 300);

        // The payee can still end the channel: its last voucher is paid already.
        vm.prank(_payee);
        system.channels.close(_voucher(_hostileChannel, 300), "");
        assertEq(system.vault.balanceOf(_payee), 300);
        assertEq(system.vault.balanceOf(address(_wallet)), FREE_NANO - 300);
        assertEq(system.vault.balanceOf(address(system.channels)), DEPOSIT_NANO);
    }

    function test_TenantThatTakesItsSignatureBackStaysLocked() public {
        Capability memory capability = _capability();
        _wallet.set(HostileWallet.Answer.Yes);
        system.vault.lock(capability, "");
        _wallet.set(HostileWallet.Answer.Revert);

        uint32 providerId = addProvider(address(this));
        Line[] memory lines = new Line[](1);
        lines[0] = line(capability.jobId, providerId, 10_000, false);
        vm.prank(address(system.receipts));
        system.treasury.settle("batch", 10_000, 0, lines);
        assertEq(system.treasury.payableOf(providerId), 9900);

        vm.warp(capability.expiresAt + 1 days);
        assertEq(system.vault.release(capability.jobId), capability.maxSpendNano - 10_000);
        _wallet.set(HostileWallet.Answer.Yes);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_JobAlreadyLocked.selector, capability.jobId)
        );
        system.vault.lock(capability, "");
        assertEq(uint8(_stateOf(capability.jobId)), uint8(ICreditVault.LockState.Closed));
    }

    /// @dev Who signs everything gives away its own account, and nothing of anybody else's.
    function test_WalletThatSaysYesToEverythingRisksOnlyItself() public {
        _wallet.set(HostileWallet.Answer.Yes);
        Capability memory capability = _capability();
        capability.maxSpendNano = FREE_NANO;
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_InsufficientBalance.selector,
                address(_wallet),
                FREE_NANO - DEPOSIT_NANO,
                FREE_NANO
            )
        );
        system.vault.lock(capability, "");
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _goodHostileGood();
        vouchers[1].cumulativeNano = DEPOSIT_NANO + 1;
        assertEq(system.channels.claimMany(vouchers, signatures)[1], 0);
        vouchers[1].cumulativeNano = DEPOSIT_NANO;
        assertEq(system.channels.claimMany(vouchers, signatures)[1], DEPOSIT_NANO);
        assertEq(system.vault.balanceOf(address(system.channels)), DEPOSIT_NANO - 250);
    }

    function test_VoucherWithHighSOrInCompactFormPaysNothing() public {
        ISessionChannels.Voucher memory signed = _voucher(_goodChannel, 100);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(tenantKey, system.channels.hashVoucher(signed));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes[2] memory forged = [
            abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27)),
            abi.encodePacked(r, uint256(s) | uint256(v - 27) << 255)
        ];
        bytes memory reason =
            abi.encodeWithSelector(ISessionChannels.SessionChannels_InvalidSignature.selector, _goodChannel);
        for (uint256 i = 0; i < forged.length; ++i) {
            vm.expectRevert(reason);
            system.channels.claim(signed, forged[i]);
        }
        assertEq(system.channels.claim(signed, abi.encodePacked(r, s, v)), 100);
    }

    function _expectNoReentry(address target, bytes memory call_) private {
        uint256 before = vm.snapshotState();
        vm.prank(address(_wallet));
        (bool succeeded,) = target.call(call_);
        assertTrue(succeeded);
        vm.revertToState(before);

        _wallet.reenterWith(target, call_);
        (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures) = _goodHostileGood();
        assertEq(system.channels.claimMany(vouchers, signatures)[1], 0);
        assertEq(system.vault.balanceOf(address(_wallet)), FREE_NANO - DEPOSIT_NANO);
        vm.revertToState(before);
    }

    function _capability() private view returns (Capability memory) {
        return Capability({
            tenant: address(_wallet),
            jobId: system.authority.jobIdOf(address(_wallet), "job"),
            quoteHash: keccak256("quote"),
            maxSpendNano: 50_000,
            holder: keccak256("holder"),
            binding: BINDING_EXPORTER,
            countersigned: false,
            validAfter: uint64(block.timestamp),
            expiresAt: uint64(block.timestamp + 1 hours),
            salt: "job"
        });
    }

    function _goodHostileGood()
        private
        view
        returns (ISessionChannels.Voucher[] memory vouchers, bytes[] memory signatures)
    {
        vouchers = new ISessionChannels.Voucher[](3);
        signatures = new bytes[](3);
        vouchers[0] = _voucher(_goodChannel, 100);
        vouchers[1] = _voucher(_hostileChannel, 200);
        vouchers[2] = _voucher(_goodChannel, 250);
        for (uint256 i = 0; i < 3; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(tenantKey, system.channels.hashVoucher(vouchers[i]));
            signatures[i] = abi.encodePacked(r, s, v);
        }
    }

    function _voucher(bytes32 channelId, uint64 cumulativeNano)
        private
        pure
        returns (ISessionChannels.Voucher memory)
    {
        return ISessionChannels.Voucher({channelId: channelId, cumulativeNano: cumulativeNano});
    }

    function _stateOf(bytes32 jobId) private view returns (ICreditVault.LockState) {
        return system.vault.lockOf(jobId).state;
    }
}
