// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICapabilityAuthority} from "../../../src/interfaces/ICapabilityAuthority.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";
import {FixtureWallet} from "../../utils/FixtureWallet.sol";

contract CapabilityAuthorityRevokeTest is FixtureVault {
    bytes32 private constant REVOCATION_TYPEHASH =
        keccak256("Revocation(address tenant,bytes32 salt,uint256 deadline)");

    function testFuzz_Revoke_IsForGoodAndOfTheCallersJobOnly(bytes32 salt, uint64 validAfter) public {
        bytes32 jobId = authority.jobIdOf(tenant, salt);
        assertEq(authority.revokedAt(tenant, jobId, validAfter), 0);

        vm.expectEmit(address(authority));
        emit ICapabilityAuthority.CapabilityRevoked(tenant, jobId, NOW);
        vm.prank(tenant);
        assertEq(authority.revoke(salt), jobId);

        vm.warp(NOW + 365 days);
        assertEq(authority.revokedAt(tenant, jobId, validAfter), NOW);
        assertEq(authority.revokedAt(stranger, authority.jobIdOf(stranger, salt), validAfter), 0);
    }

    function test_Revoke_TellsTheVaultAtOnce() public {
        _deposit(tenant, USDC);
        bytes32 jobId = _lock("job", CREDIT);
        vm.warp(NOW + 5);
        vm.expectEmit(address(vault));
        emit ICreditVault.LockRevoked(jobId, NOW + 5);
        vm.prank(tenant);
        authority.revoke("job");
        assertEq(vault.lockOf(jobId).revokedAt, NOW + 5);
    }

    function test_Revoke_TellsTheVaultOfThatJobAlone() public {
        bytes32[] memory jobIds = new bytes32[](1);
        jobIds[0] = authority.jobIdOf(tenant, "job");
        vm.expectCall(address(vault), abi.encodeCall(ICreditVault.applyRevocation, (jobIds)), 1);
        vm.prank(tenant);
        authority.revoke("job");
    }

    function test_Revoke_WorksWhilePaused() public {
        _deposit(tenant, USDC);
        bytes32 jobId = _lock("job", CREDIT);
        governor.setPaused(true);
        vm.prank(tenant);
        authority.revoke("job");
        assertEq(vault.lockOf(jobId).revokedAt, NOW);
    }

    function test_RevertWhen_RevokedTwice() public {
        vm.startPrank(tenant);
        bytes32 jobId = authority.revoke("job");
        vm.expectRevert(_alreadyRevoked(jobId));
        authority.revoke("job");
    }

    function testFuzz_RevokeWithSignature_CanBeSubmittedByAnyone(address submitter, uint256 deadline) public {
        deadline = bound(deadline, NOW, type(uint256).max);
        bytes32 jobId = authority.jobIdOf(tenant, "job");
        vm.expectEmit(address(authority));
        emit ICapabilityAuthority.CapabilityRevoked(tenant, jobId, NOW);
        vm.prank(submitter);
        assertEq(
            authority.revokeWithSignature(tenant, "job", deadline, _revocation(tenant, "job", deadline)),
            jobId
        );
        assertEq(authority.revokedAt(tenant, jobId, 0), NOW);
    }

    function test_RevokeWithSignature_TellsTheVaultAtOnce() public {
        _deposit(tenant, USDC);
        bytes32 jobId = _lock("job", CREDIT);
        authority.revokeWithSignature(tenant, "job", NOW, _revocation(tenant, "job", NOW));
        assertEq(vault.lockOf(jobId).revokedAt, NOW);
    }

    function test_RevokeWithSignature_AcceptsAnErc1271Tenant() public {
        address wallet = address(new FixtureWallet(tenant));
        bytes32 jobId = authority.revokeWithSignature(wallet, "job", NOW, _revocation(wallet, "job", NOW));
        assertEq(authority.revokedAt(wallet, jobId, 0), NOW);
    }

    function testFuzz_RevertWhen_TheSignatureExpired(uint256 deadline) public {
        deadline = bound(deadline, 0, NOW - 1);
        bytes memory signature = _revocation(tenant, "job", deadline);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICapabilityAuthority.CapabilityAuthority_SignatureExpired.selector, deadline
            )
        );
        authority.revokeWithSignature(tenant, "job", deadline, signature);
    }

    function test_RevertWhen_TheSignatureIsForAnotherSaltTenantOrDeadline() public {
        bytes memory signature = _revocation(tenant, "job", NOW);
        vm.expectRevert(_invalidSignature(tenant));
        authority.revokeWithSignature(tenant, "other", NOW, signature);
        vm.expectRevert(_invalidSignature(stranger));
        authority.revokeWithSignature(stranger, "job", NOW, signature);
        vm.expectRevert(_invalidSignature(tenant));
        authority.revokeWithSignature(tenant, "job", NOW + 1, signature);
        vm.expectRevert(_invalidSignature(tenant));
        authority.revokeWithSignature(tenant, "job", NOW, _malleated(signature));
    }

    function test_RevertWhen_TheSignatureIsReplayed() public {
        bytes memory signature = _revocation(tenant, "job", NOW);
        bytes32 jobId = authority.revokeWithSignature(tenant, "job", NOW, signature);
        vm.expectRevert(_alreadyRevoked(jobId));
        authority.revokeWithSignature(tenant, "job", NOW, signature);
    }

    function _revocation(address account, bytes32 salt, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(abi.encode(REVOCATION_TYPEHASH, account, salt, deadline));
        return
            _sign(tenantKey, keccak256(abi.encodePacked(hex"1901", authority.DOMAIN_SEPARATOR(), structHash)));
    }

    function _alreadyRevoked(bytes32 jobId) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_AlreadyRevoked.selector, jobId);
    }

    function _invalidSignature(address account) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, account
            );
    }
}
