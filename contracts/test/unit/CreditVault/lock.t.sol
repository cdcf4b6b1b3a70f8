// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICapabilityAuthority} from "../../../src/interfaces/ICapabilityAuthority.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {Capability} from "../../../src/types/Capability.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";
import {FixtureWallet} from "../../utils/FixtureWallet.sol";

contract CreditVaultLockTest is FixtureVault {
    function setUp() public override {
        super.setUp();
        _deposit(tenant, 10 * USDC);
    }

    function testFuzz_Lock_MovesTheMaximumSpend(uint64 maxSpendNano, address submitter) public {
        maxSpendNano = uint64(bound(maxSpendNano, 1, 10 * CREDIT));
        Capability memory capability = _capability("job", maxSpendNano);
        bytes memory signature = _signed(capability);
        bytes32 expectedHash = authority.hashCapability(capability);

        vm.expectEmit(address(vault));
        emit ICreditVault.Locked(
            capability.jobId,
            tenant,
            expectedHash,
            capability.quoteHash,
            capability.holder,
            maxSpendNano,
            capability.validAfter,
            capability.expiresAt
        );
        vm.prank(submitter);
        assertEq(vault.lock(capability, signature), expectedHash);

        assertEq(vault.balanceOf(tenant), 10 * CREDIT - maxSpendNano);
        ICreditVault.Lock memory made = vault.lockOf(capability.jobId);
        assertEq(made.tenant, tenant);
        assertEq(made.maxSpendNano, maxSpendNano);
        assertEq(made.remainingNano, maxSpendNano);
        assertEq(made.expiresAt, capability.expiresAt);
        assertEq(made.validAfter, capability.validAfter);
        assertEq(made.revokedAt, 0);
        assertEq(uint8(made.state), uint8(ICreditVault.LockState.Open));
    }

    function test_Lock_AcceptsAnErc1271Tenant() public {
        address wallet = address(new FixtureWallet(tenant));
        _deposit(wallet, USDC);
        Capability memory capability = _capability("job", CREDIT);
        capability.tenant = wallet;
        capability.jobId = authority.jobIdOf(wallet, capability.salt);
        vault.lock(capability, _signed(capability));

        assertEq(vault.lockOf(capability.jobId).tenant, wallet);
        assertEq(vault.balanceOf(wallet), 0);
        assertEq(vault.balanceOf(tenant), 10 * CREDIT);
    }

    function test_Lock_KeepsJobsApart() public {
        bytes32 first = _lock("first", CREDIT);
        bytes32 second = _lock("second", 2 * CREDIT);
        assertEq(vault.lockOf(first).remainingNano, CREDIT);
        assertEq(vault.lockOf(second).remainingNano, 2 * CREDIT);
        assertEq(vault.balanceOf(tenant), 7 * CREDIT);
    }

    function test_Lock_OfUnknownJobIsEmpty() public view {
        ICreditVault.Lock memory none = vault.lockOf("nothing");
        assertEq(uint8(none.state), uint8(ICreditVault.LockState.None));
        assertEq(none.tenant, address(0));
    }

    /// forge-config: default.isolate = true
    function test_Lock_StaysBelowItsGasGoal() public {
        Capability memory capability = _capability("job", CREDIT);
        bytes memory signature = _signed(capability);
        vault.lock(capability, signature);
        assertLt(vm.snapshotGasLastCall("CreditVault", "lock by an EOA, transaction included"), 110_000);
    }

    function test_RevertWhen_Paused() public {
        Capability memory capability = _capability("job", CREDIT);
        bytes memory signature = _signed(capability);
        governor.setPaused(true);
        vm.expectRevert(ICreditVault.CreditVault_Paused.selector);
        vault.lock(capability, signature);
    }

    function test_RevertWhen_TheJobIsLocked() public {
        Capability memory capability = _capability("job", CREDIT);
        bytes memory signature = _signed(capability);
        vault.lock(capability, signature);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_JobAlreadyLocked.selector, capability.jobId)
        );
        vault.lock(capability, signature);
    }

    function test_RevertGiven_TheJobWasClosed() public {
        Capability memory capability = _capability("job", CREDIT);
        bytes memory signature = _signed(capability);
        vault.lock(capability, signature);
        _charge(capability.jobId, 0, true);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_JobAlreadyLocked.selector, capability.jobId)
        );
        vault.lock(capability, signature);
    }

    function test_RevertWhen_AnotherTermsReuseTheSalt() public {
        _lock("job", CREDIT);
        Capability memory other = _capability("job", 2 * CREDIT);
        bytes memory signature = _signed(other);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_JobAlreadyLocked.selector, other.jobId)
        );
        vault.lock(other, signature);
    }

    function testFuzz_RevertWhen_TheFreeCreditIsTooSmall(uint64 maxSpendNano) public {
        maxSpendNano = uint64(bound(maxSpendNano, 10 * CREDIT + 1, type(uint64).max));
        Capability memory capability = _capability("job", maxSpendNano);
        bytes memory signature = _signed(capability);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditVault.CreditVault_InsufficientBalance.selector, tenant, 10 * CREDIT, maxSpendNano
            )
        );
        vault.lock(capability, signature);
    }

    function test_RevertWhen_TheAuthorityRefuses() public {
        Capability memory capability = _capability("job", CREDIT);
        bytes memory signature = _signed(capability);
        capability.maxSpendNano += 1;
        vm.expectRevert(
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, tenant)
        );
        vault.lock(capability, signature);
    }

    function test_RevertGiven_TheCapabilityWasRevoked() public {
        Capability memory capability = _capability("job", CREDIT);
        bytes memory signature = _signed(capability);
        vm.prank(tenant);
        authority.revoke(capability.salt);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICapabilityAuthority.CapabilityAuthority_Revoked.selector, capability.jobId, NOW
            )
        );
        vault.lock(capability, signature);
    }
}
