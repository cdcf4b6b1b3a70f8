// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract BondTest is SystemTest {
    address private _admin = makeAddr("admin");

    function setUp() public override {
        super.setUp();
        fundToken(_admin, 1e12);
        vm.prank(_admin);
        system.token.approve(address(system.registry), type(uint256).max);
    }

    function testFuzz_BondIsPulledAndReturned(uint128 bondNano, uint128 moreNano) public {
        bondNano = uint128(bound(bondNano, 1, 5e11));
        moreNano = uint128(bound(moreNano, 0, 5e11));
        vm.startPrank(_admin);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.BondPosted(1, bondNano);
        uint32 providerId = _register(bondNano);
        system.registry.postBond(providerId, moreNano);
        assertEq(system.registry.providerOf(providerId).bondNano, bondNano + moreNano);
        assertEq(system.token.balanceOf(address(system.registry)), bondNano + moreNano);

        system.registry.retire(providerId);
        skip(7 days);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.BondReturned(providerId, _admin, bondNano + moreNano);
        system.registry.returnBond(providerId);
        assertEq(system.token.balanceOf(_admin), 1e12);
        assertEq(system.registry.providerOf(providerId).bondNano, 0);

        system.registry.returnBond(providerId);
        assertEq(system.token.balanceOf(_admin), 1e12);
    }

    function test_RevertWhen_BondIsStillLocked() public {
        vm.startPrank(_admin);
        uint32 providerId = _register(1000);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_WrongStatus.selector,
                providerId,
                IProviderRegistry.ProviderStatus.Pending
            )
        );
        system.registry.returnBond(providerId);
        system.registry.retire(providerId);
        uint256 until = block.timestamp + 7 days;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BondLocked.selector, until));
        system.registry.returnBond(providerId);
    }

    function test_LaterParameterDoesNotMoveAReturn() public {
        vm.startPrank(_admin);
        uint32 providerId = _register(1000);
        system.registry.retire(providerId);
        vm.stopPrank();
        setParam("bondDelaySeconds", 90 days);
        skip(7 days);
        vm.prank(_admin);
        system.registry.returnBond(providerId);
        assertEq(system.token.balanceOf(_admin), 1e12);
    }

    function test_RevertWhen_BondIsBelowTheMinimum() public {
        setParam("minimumBondNano", 1000);
        bytes memory reason =
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BondBelowMinimum.selector, 1000, 999);
        vm.prank(_admin);
        vm.expectRevert(reason);
        _register(999);
    }

    function test_RevertWhen_MinimumRoseBeforeApproval() public {
        vm.prank(_admin);
        uint32 providerId = _register(999);
        setParam("minimumBondNano", 1000);
        vm.prank(address(system.governor));
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BondBelowMinimum.selector, 1000, 999)
        );
        system.registry.approve(providerId);
        vm.prank(_admin);
        system.registry.postBond(providerId, 1);
        vm.prank(address(system.governor));
        system.registry.approve(providerId);
        assertTrue(system.registry.isActive(providerId));
    }

    function test_RevertWhen_PostingToARetiredProvider() public {
        vm.startPrank(_admin);
        uint32 providerId = _register(1);
        system.registry.retire(providerId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_WrongStatus.selector,
                providerId,
                IProviderRegistry.ProviderStatus.Retired
            )
        );
        system.registry.postBond(providerId, 1);
    }

    function _register(uint128 bondNano) private returns (uint32) {
        return system.registry.register(_admin, _admin, "", keccak256("tariff"), bondNano);
    }
}
