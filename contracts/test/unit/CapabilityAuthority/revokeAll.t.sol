// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICapabilityAuthority} from "../../../src/interfaces/ICapabilityAuthority.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CapabilityAuthorityRevokeAllTest is FixtureVault {
    bytes32 private constant JOB = "job";

    function testFuzz_RevokeAll_CoversWhatWasValidByThen(uint64 validAfter) public {
        vm.expectEmit(address(authority));
        emit ICapabilityAuthority.AllCapabilitiesRevoked(tenant, NOW);
        vm.prank(tenant);
        authority.revokeAll();

        uint256 expected = validAfter <= NOW ? NOW : 0;
        assertEq(authority.revokedAt(tenant, JOB, validAfter), expected);
        assertEq(authority.revokedAt(stranger, JOB, validAfter), 0);
    }

    function test_RevokeAll_OfLaterDoesNotMoveAnEarlierOne() public {
        _revokeAllAt(NOW);
        _revokeAllAt(NOW + 100);
        _revokeAllAt(NOW + 200);
        assertEq(authority.revokedAt(tenant, JOB, NOW - 1), NOW);
        assertEq(authority.revokedAt(tenant, JOB, NOW), NOW);
        assertEq(authority.revokedAt(tenant, JOB, NOW + 1), NOW + 100);
        assertEq(authority.revokedAt(tenant, JOB, NOW + 101), NOW + 200);
        assertEq(authority.revokedAt(tenant, JOB, NOW + 201), 0);
    }

    function test_RevokeAll_TwiceInASecondIsOnce() public {
        _revokeAllAt(NOW);
        vm.record();
        _revokeAllAt(NOW);
        (, bytes32[] memory written) = vm.accesses(address(authority));
        assertEq(written.length, 0);
        assertEq(authority.revokedAt(tenant, JOB, NOW), NOW);
        _revokeAllAt(NOW + 1);
        assertEq(authority.revokedAt(tenant, JOB, NOW + 1), NOW + 1);
    }

    function test_RevokedAt_IsTheEarlierOfBoth() public {
        vm.prank(tenant);
        bytes32 early = authority.revoke("early");
        _revokeAllAt(NOW + 100);
        vm.warp(NOW + 200);
        vm.prank(tenant);
        bytes32 late = authority.revoke("late");

        assertEq(authority.revokedAt(tenant, early, 0), NOW);
        assertEq(authority.revokedAt(tenant, late, 0), NOW + 100);
        assertEq(authority.revokedAt(tenant, late, NOW + 150), NOW + 200);
    }

    /// @dev The answer for one capability, once given, is the answer for ever.
    function testFuzz_RevokedAt_NeverChangesOnceSet(uint32[8] calldata gaps, uint64 validAfter) public {
        validAfter = uint64(bound(validAfter, NOW, NOW + 8 * uint256(type(uint32).max)));
        uint256 first = 0;
        uint256 moment = NOW;
        for (uint256 i = 0; i < gaps.length; ++i) {
            moment += gaps[i];
            _revokeAllAt(moment);
            if (first == 0 && moment >= validAfter) first = moment;
            assertEq(authority.revokedAt(tenant, JOB, validAfter), first);
        }
    }

    function _revokeAllAt(uint256 moment) private {
        vm.warp(moment);
        vm.prank(tenant);
        authority.revokeAll();
    }
}
