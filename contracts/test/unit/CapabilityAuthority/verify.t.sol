// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICapabilityAuthority} from "../../../src/interfaces/ICapabilityAuthority.sol";
import {BINDING_EXPORTER, BINDING_NONCE, Capability} from "../../../src/types/Capability.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";
import {FixtureWallet} from "../../utils/FixtureWallet.sol";

contract CapabilityAuthorityVerifyTest is FixtureVault {
    function testFuzz_Verify_ReturnsTheDigestOfAValidCapability(
        bytes32 salt,
        uint64 maxSpendNano,
        uint64 validAfter,
        uint64 expiresAt,
        bool countersigned
    ) public view {
        Capability memory capability = _capability(salt, uint64(bound(maxSpendNano, 1, type(uint64).max)));
        capability.validAfter = uint64(bound(validAfter, 0, NOW));
        capability.expiresAt = uint64(bound(expiresAt, NOW + 1, type(uint40).max));
        capability.countersigned = countersigned;
        assertEq(authority.verify(capability, _signed(capability)), authority.hashCapability(capability));
    }

    function test_Verify_AcceptsBothBindings() public view {
        Capability memory capability = _capability("job", 1);
        capability.binding = BINDING_EXPORTER;
        authority.verify(capability, _signed(capability));
        capability.binding = BINDING_NONCE;
        authority.verify(capability, _signed(capability));
    }

    function test_Verify_AcceptsAnErc1271Tenant() public {
        Capability memory capability = _walletCapability();
        assertEq(authority.verify(capability, _signed(capability)), authority.hashCapability(capability));
    }

    function test_RevertWhen_AnErc1271TenantRefuses() public {
        Capability memory capability = _walletCapability();
        (, uint256 otherKey) = makeAddrAndKey("other");
        _expectRefusal(
            capability, _sign(otherKey, authority.hashCapability(capability)), _invalidSignature(capability)
        );
    }

    function test_RevertWhen_TheTenantIsAContractWithoutErc1271() public {
        Capability memory capability = _capability("job", 1);
        capability.tenant = address(governor);
        capability.jobId = authority.jobIdOf(capability.tenant, capability.salt);
        _expectRefusal(capability, _signed(capability), _invalidSignature(capability));
    }

    function testFuzz_RevertWhen_TheBindingIsUnknown(uint8 binding) public {
        vm.assume(binding != BINDING_EXPORTER && binding != BINDING_NONCE);
        Capability memory capability = _capability("job", 1);
        capability.binding = binding;
        _expectRefusal(
            capability,
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_UnknownBinding.selector, binding)
        );
    }

    function test_RevertWhen_TheSpendIsZero() public {
        Capability memory capability = _capability("job", 0);
        _expectRefusal(
            capability, abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_ZeroSpend.selector)
        );
    }

    function testFuzz_RevertWhen_TheWindowIsEmpty(uint64 validAfter, uint64 expiresAt) public {
        Capability memory capability = _capability("job", 1);
        capability.validAfter = validAfter;
        capability.expiresAt = uint64(bound(expiresAt, 0, validAfter));
        _expectRefusal(capability, _invalidWindow(capability));
    }

    function testFuzz_RevertWhen_TheExpiryExceeds40Bits(uint64 expiresAt) public {
        Capability memory capability = _capability("job", 1);
        capability.expiresAt = uint64(bound(expiresAt, uint64(type(uint40).max) + 1, type(uint64).max));
        _expectRefusal(capability, _invalidWindow(capability));
    }

    function testFuzz_RevertWhen_NotYetValid(uint64 validAfter) public {
        Capability memory capability = _capability("job", 1);
        capability.validAfter = uint64(bound(validAfter, NOW + 1, type(uint40).max - 1));
        capability.expiresAt = type(uint40).max;
        _expectRefusal(
            capability,
            abi.encodeWithSelector(
                ICapabilityAuthority.CapabilityAuthority_NotYetValid.selector, capability.validAfter
            )
        );
    }

    function testFuzz_RevertWhen_Expired(uint64 expiresAt) public {
        Capability memory capability = _capability("job", 1);
        capability.validAfter = 0;
        capability.expiresAt = uint64(bound(expiresAt, 1, NOW));
        _expectRefusal(
            capability,
            abi.encodeWithSelector(
                ICapabilityAuthority.CapabilityAuthority_Expired.selector, capability.expiresAt
            )
        );
    }

    function test_RevertWhen_ItExpiresThisSecond() public {
        Capability memory capability = _capability("job", 1);
        capability.validAfter = NOW - 1;
        capability.expiresAt = NOW;
        _expectRefusal(
            capability, abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_Expired.selector, NOW)
        );
    }

    function testFuzz_RevertWhen_TheJobIdIsNotOfTenantAndSalt(bytes32 jobId) public {
        Capability memory capability = _capability("job", 1);
        bytes32 expected = capability.jobId;
        vm.assume(jobId != expected);
        capability.jobId = jobId;
        _expectRefusal(
            capability,
            abi.encodeWithSelector(
                ICapabilityAuthority.CapabilityAuthority_JobIdMismatch.selector, expected, jobId
            )
        );
    }

    function test_RevertGiven_Revoked() public {
        Capability memory capability = _capability("job", 1);
        vm.prank(tenant);
        authority.revoke("job");
        _expectRefusal(capability, _revoked(capability));
    }

    function test_RevertGiven_AllWereRevoked() public {
        Capability memory capability = _capability("job", 1);
        vm.prank(tenant);
        authority.revokeAll();
        _expectRefusal(capability, _revoked(capability));
    }

    function test_RevertWhen_AnotherKeySigned() public {
        Capability memory capability = _capability("job", 1);
        (, uint256 otherKey) = makeAddrAndKey("other");
        _expectRefusal(
            capability, _sign(otherKey, authority.hashCapability(capability)), _invalidSignature(capability)
        );
    }

    function test_RevertWhen_SIsHigh() public {
        Capability memory capability = _capability("job", 1);
        _expectRefusal(capability, _malleated(_signed(capability)), _invalidSignature(capability));
    }

    function testFuzz_RevertWhen_TheSignatureIsGarbage(bytes calldata signature) public {
        Capability memory capability = _capability("job", 1);
        _expectRefusal(capability, signature, _invalidSignature(capability));
    }

    function test_RevertWhen_SignedForAnotherChain() public {
        Capability memory capability = _capability("job", 1);
        bytes memory signature = _signed(capability);
        vm.chainId(1);
        _expectRefusal(capability, signature, _invalidSignature(capability));
    }

    /// @dev Each member must be covered by the signature, else a submitter could change it.
    function testFuzz_RevertWhen_AnyMemberWasChanged(uint256 member) public {
        Capability memory capability = _capability("job", 5);
        bytes memory signature = _signed(capability);
        member = bound(member, 0, 6);
        if (member == 0) capability.quoteHash = "other";
        if (member == 1) capability.maxSpendNano = 6;
        if (member == 2) capability.holder = "other";
        if (member == 3) capability.binding = BINDING_NONCE;
        if (member == 4) capability.countersigned = true;
        if (member == 5) capability.validAfter -= 1;
        if (member == 6) capability.expiresAt += 1;
        _expectRefusal(capability, signature, _invalidSignature(capability));
    }

    function _walletCapability() private returns (Capability memory capability) {
        capability = _capability("job", 1);
        capability.tenant = address(new FixtureWallet(tenant));
        capability.jobId = authority.jobIdOf(capability.tenant, capability.salt);
    }

    function _expectRefusal(Capability memory capability, bytes memory refusal) private {
        _expectRefusal(capability, _signed(capability), refusal);
    }

    function _expectRefusal(Capability memory capability, bytes memory signature, bytes memory refusal)
        private
    {
        vm.expectRevert(refusal);
        authority.verify(capability, signature);
    }

    function _invalidSignature(Capability memory capability) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, capability.tenant
        );
    }

    function _invalidWindow(Capability memory capability) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            ICapabilityAuthority.CapabilityAuthority_InvalidWindow.selector,
            capability.validAfter,
            capability.expiresAt
        );
    }

    function _revoked(Capability memory capability) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            ICapabilityAuthority.CapabilityAuthority_Revoked.selector, capability.jobId, NOW
        );
    }
}
