// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICapabilityAuthority} from "../../../src/interfaces/ICapabilityAuthority.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CapabilityAuthorityGatewaysTest is FixtureVault {
    address private _gateway = makeAddr("gateway");

    function test_Constructor_KeepsItsAddressesAndNoGateway() public view {
        assertEq(authority.governor(), address(governor));
        assertEq(authority.vault(), address(vault));
        _expectTerm(false, 0, 0);
    }

    function test_EnrolGateway_BeginsATerm() public {
        vm.expectEmit(address(authority));
        emit ICapabilityAuthority.GatewayEnrolled(_gateway);
        vm.prank(address(governor));
        authority.enrolGateway(_gateway);
        _expectTerm(true, NOW, 0);
    }

    function test_RemoveGateway_EndsTheTermAndKeepsIt() public {
        _enrol();
        vm.warp(NOW + 1 days);
        vm.expectEmit(address(authority));
        emit ICapabilityAuthority.GatewayRemoved(_gateway, NOW + 1 days);
        vm.prank(address(governor));
        authority.removeGateway(_gateway);
        _expectTerm(false, NOW, NOW + 1 days);
    }

    function testFuzz_RevertWhen_TheCallerIsNotTheGovernor(address caller) public {
        vm.assume(caller != address(governor));
        bytes memory refusal =
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_NotGovernor.selector, caller);
        vm.startPrank(caller);
        vm.expectRevert(refusal);
        authority.enrolGateway(_gateway);
        vm.expectRevert(refusal);
        authority.removeGateway(_gateway);
    }

    function test_RevertWhen_Enrolled() public {
        _enrol();
        vm.expectRevert(_alreadyEnrolled());
        _enrol();
    }

    function test_RevertGiven_TheGatewayServedBefore() public {
        _enrol();
        vm.prank(address(governor));
        authority.removeGateway(_gateway);
        vm.expectRevert(_alreadyEnrolled());
        _enrol();
    }

    function test_RevertWhen_TheGatewayIsZero() public {
        vm.expectRevert(_unknown(address(0)));
        vm.prank(address(governor));
        authority.enrolGateway(address(0));
    }

    function test_RevertWhen_RemovingAGatewayThatIsNotEnrolled() public {
        vm.expectRevert(_unknown(_gateway));
        vm.prank(address(governor));
        authority.removeGateway(_gateway);
    }

    function test_RevertWhen_RemovingAGatewayTwice() public {
        _enrol();
        vm.startPrank(address(governor));
        authority.removeGateway(_gateway);
        vm.expectRevert(_unknown(_gateway));
        authority.removeGateway(_gateway);
    }

    function _enrol() private {
        vm.prank(address(governor));
        authority.enrolGateway(_gateway);
    }

    function _expectTerm(bool enrolled, uint256 enrolledAt, uint256 removedAt) private view {
        assertEq(authority.isGateway(_gateway), enrolled);
        (uint40 actualEnrolledAt, uint40 actualRemovedAt) = authority.gatewayTerm(_gateway);
        assertEq(actualEnrolledAt, enrolledAt);
        assertEq(actualRemovedAt, removedAt);
    }

    function _alreadyEnrolled() private view returns (bytes memory) {
        return abi.encodeWithSelector(
            ICapabilityAuthority.CapabilityAuthority_GatewayAlreadyEnrolled.selector, _gateway
        );
    }

    function _unknown(address gateway) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_UnknownGateway.selector, gateway);
    }
}
