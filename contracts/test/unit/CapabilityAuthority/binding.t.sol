// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICapabilityAuthority} from "../../../src/interfaces/ICapabilityAuthority.sol";
import {BINDING_EXPORTER, BINDING_NONCE, Capability} from "../../../src/types/Capability.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

/// @dev The binding is a number in a signed struct, so clients and chain must mean the same by it, for good.
contract CapabilityAuthorityBindingTest is FixtureVault {
    function test_Binding_ExporterIsOneAndNonceIsTwo() public view {
        assertEq(BINDING_EXPORTER, 1);
        assertEq(BINDING_NONCE, 2);
        for (uint8 binding = 1; binding <= 2; ++binding) {
            Capability memory capability = _bound(binding);
            bytes32 capabilityHash = authority.verify(capability, _signed(capability));
            assertEq(capabilityHash, authority.hashCapability(capability));
        }
    }

    function testFuzz_RevertWhen_TheBindingIsNeither(uint8 binding) public {
        vm.assume(binding != 1 && binding != 2);
        Capability memory capability = _bound(binding);
        bytes memory signature = _signed(capability);
        vm.expectRevert(
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_UnknownBinding.selector, binding)
        );
        authority.verify(capability, signature);
    }

    function _bound(uint8 binding) private view returns (Capability memory capability) {
        capability = _capability("salt", CREDIT);
        capability.binding = binding;
    }
}
