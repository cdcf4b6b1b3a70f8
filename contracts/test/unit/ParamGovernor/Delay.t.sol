// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IParamGovernor} from "../../../src/interfaces/IParamGovernor.sol";
import {ParamGovernor} from "../../../src/ParamGovernor.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract DelayTest is SystemTest {
    function testFuzz_UpdateDelayHoldsTheFloor(uint256 delaySeconds) public {
        vm.prank(address(system.governor));
        if (delaySeconds < 1 days) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IParamGovernor.ParamGovernor_DelayTooShort.selector, 1 days, delaySeconds
                )
            );
        }
        system.governor.updateDelay(delaySeconds);
        assertEq(system.governor.getMinDelay(), delaySeconds < 1 days ? 2 days : delaySeconds);
    }

    function test_UpdateDelayReachesTheFloorItself() public {
        vm.startPrank(address(system.governor));
        system.governor.updateDelay(1 days);
        assertEq(system.governor.getMinDelay(), 1 days);
    }

    function test_RevertWhen_UpdateDelayIsNotTheTimelocks() public {
        vm.prank(proposer);
        vm.expectRevert(
            abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, proposer)
        );
        system.governor.updateDelay(3 days);
    }

    function test_RevertWhen_ConstructedBelowTheFloor() public {
        vm.expectRevert(
            abi.encodeWithSelector(IParamGovernor.ParamGovernor_DelayTooShort.selector, 2 days, 1 days)
        );
        new ParamGovernor(
            1 days, 2 days, new address[](0), new address[](0), address(0), guardian, feeRecipient
        );
    }

    function test_RolesAfterDeployment() public view {
        assertEq(system.governor.delayFloor(), 1 days);
        assertEq(system.governor.MAX_PAUSE_SECONDS(), 7 days);
        assertTrue(system.governor.hasRole(system.governor.PROPOSER_ROLE(), proposer));
        assertTrue(system.governor.hasRole(system.governor.EXECUTOR_ROLE(), proposer));
        assertEq(system.governor.GUARDIAN_ROLE(), keccak256("GUARDIAN_ROLE"));
        assertTrue(system.governor.hasRole(keccak256("GUARDIAN_ROLE"), guardian));
        _assertNoRole(address(this));
        assertFalse(system.governor.hasRole(bytes32(0), proposer));
        assertFalse(system.governor.hasRole(bytes32(0), guardian));
    }

    function _assertNoRole(address account) private view {
        assertFalse(system.governor.hasRole(bytes32(0), account));
        assertFalse(system.governor.hasRole(system.governor.PROPOSER_ROLE(), account));
        assertFalse(system.governor.hasRole(system.governor.EXECUTOR_ROLE(), account));
        assertFalse(system.governor.hasRole(system.governor.CANCELLER_ROLE(), account));
        assertFalse(system.governor.hasRole(system.governor.GUARDIAN_ROLE(), account));
    }
}
