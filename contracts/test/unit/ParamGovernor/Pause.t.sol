// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IParamGovernor} from "../../../src/interfaces/IParamGovernor.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract PauseTest is SystemTest {
    function testFuzz_PauseEndsByItself(uint32 durationSeconds) public {
        durationSeconds = uint32(bound(durationSeconds, 1, 7 days));
        vm.expectEmit(address(system.governor));
        emit IParamGovernor.Paused(guardian, uint40(block.timestamp) + durationSeconds);
        vm.prank(guardian);
        system.governor.pause(durationSeconds);
        assertTrue(system.governor.isPaused());
        skip(durationSeconds - 1);
        assertTrue(system.governor.isPaused());
        skip(1);
        assertFalse(system.governor.isPaused());
    }

    function test_PauseMayTakeSevenDays() public {
        vm.prank(guardian);
        system.governor.pause(7 days);
        skip(7 days - 1);
        assertTrue(system.governor.isPaused());
    }

    function test_FirstPauseNeedsNoCoolDownWhereTheClockHasJustBegun() public {
        vm.warp(1);
        vm.prank(guardian);
        system.governor.pause(1);
        assertTrue(system.governor.isPaused());
    }

    function test_RevertWhen_PauseIsTooLong() public {
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IParamGovernor.ParamGovernor_PauseTooLong.selector, 7 days, 7 days + 1)
        );
        system.governor.pause(7 days + 1);
    }

    function test_RevertWhen_PausedAgainBeforeTheCoolDownEnds() public {
        pause();
        uint256 until = block.timestamp + 1 days + 7 days;
        vm.startPrank(guardian);
        bytes memory reason =
            abi.encodeWithSelector(IParamGovernor.ParamGovernor_PauseCoolingDown.selector, until);
        vm.expectRevert(reason);
        system.governor.pause(1);
        vm.warp(until - 1);
        vm.expectRevert(reason);
        system.governor.pause(1);
        vm.warp(until);
        system.governor.pause(1 days);
        assertTrue(system.governor.isPaused());
    }

    function test_CoolDownCountsFromAnEarlyUnpause() public {
        pause();
        skip(1 hours);
        vm.startPrank(guardian);
        vm.expectEmit(address(system.governor));
        emit IParamGovernor.Unpaused(guardian);
        system.governor.unpause();
        assertFalse(system.governor.isPaused());

        uint256 until = block.timestamp + 7 days;
        skip(1 days);
        system.governor.unpause(); // A second call moves nothing.
        vm.expectRevert(abi.encodeWithSelector(IParamGovernor.ParamGovernor_PauseCoolingDown.selector, until));
        system.governor.pause(1);
        vm.warp(until);
        system.governor.pause(1);
    }

    function test_PauseOfNoTimeOnlyStartsTheCoolDown() public {
        uint256 until = block.timestamp + 7 days;
        vm.startPrank(guardian);
        system.governor.pause(0);
        assertFalse(system.governor.isPaused());
        vm.expectRevert(abi.encodeWithSelector(IParamGovernor.ParamGovernor_PauseCoolingDown.selector, until));
        system.governor.pause(1);
    }

    function test_UnpauseWhileNotPausedDoesNothing() public {
        vm.recordLogs();
        vm.startPrank(guardian);
        system.governor.unpause();
        assertEq(vm.getRecordedLogs().length, 0);
        // No cool-down began.
        system.governor.pause(1);
        assertTrue(system.governor.isPaused());
    }

    function test_TimelockUnpauses() public {
        pause();
        vm.prank(address(system.governor));
        system.governor.unpause();
        assertFalse(system.governor.isPaused());
    }

    function testFuzz_RevertWhen_CallerIsNotGuardian(address caller) public {
        vm.assume(caller != guardian && caller != address(system.governor));
        bytes memory reason = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, caller, system.governor.GUARDIAN_ROLE()
        );
        vm.startPrank(caller);
        vm.expectRevert(reason);
        system.governor.pause(1);
        vm.expectRevert(reason);
        system.governor.unpause();
    }
}
