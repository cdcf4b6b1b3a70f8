// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract StatusTest is SystemTest {
    address private _admin = makeAddr("admin");
    address private _payout = makeAddr("payout");
    address private _signingKey = makeAddr("signingKey");
    bytes32 private constant TARIFF = keccak256("tariff");

    function test_RegisterIsPendingAndCountsFromOne() public {
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ProviderRegistered(1, _admin, _payout, _signingKey, "ipfs://a");
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ProviderStatusChanged(1, IProviderRegistry.ProviderStatus.Pending);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.TariffPublished(1, 1, TARIFF);
        assertEq(_register(), 1);

        IProviderRegistry.Provider memory provider = system.registry.providerOf(1);
        assertEq(provider.admin, _admin);
        assertEq(provider.payout, _payout);
        assertEq(provider.signingKey, _signingKey);
        assertEq(provider.tariffVersion, 1);
        assertEq(provider.tariffHash, TARIFF);
        assertEq(provider.bondNano, 0);
        assertEq(provider.metadataURI, "ipfs://a");
        _assertStatus(1, IProviderRegistry.ProviderStatus.Pending);
        assertFalse(system.registry.isActive(1));
        assertEq(system.registry.payoutOf(1), _payout);
        assertEq(_register(), 2);
        assertEq(system.registry.providerCount(), 2);
    }

    function test_RegisterWithoutBondSaysAndMovesNothingOfOne() public {
        vm.expectCall(address(system.token), abi.encodePacked(IERC20.transferFrom.selector), 0);
        vm.recordLogs();
        _register();
        // ProviderRegistered, ProviderStatusChanged and TariffPublished.
        assertEq(vm.getRecordedLogs().length, 3);
    }

    function test_ViewsOfAnUnknownProvider() public view {
        assertFalse(system.registry.isActive(5));
        assertEq(system.registry.payoutOf(5), address(0));
        assertEq(system.registry.tariffHashOf(5, 1), 0);
    }

    function test_ApproveSuspendReinstateRetire() public {
        uint32 providerId = _register();
        vm.startPrank(address(system.governor));
        system.registry.approve(providerId);
        assertTrue(system.registry.isActive(providerId));
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ProviderStatusChanged(providerId, IProviderRegistry.ProviderStatus.Suspended);
        system.registry.suspend(providerId);
        assertFalse(system.registry.isActive(providerId));
        system.registry.reinstate(providerId);
        assertTrue(system.registry.isActive(providerId));
        system.registry.retire(providerId);
        _assertStatus(providerId, IProviderRegistry.ProviderStatus.Retired);
    }

    function test_AdminRetires() public {
        uint32 providerId = _register();
        vm.prank(_admin);
        system.registry.retire(providerId);
        _assertStatus(providerId, IProviderRegistry.ProviderStatus.Retired);
    }

    function test_RevertWhen_RegisteringZeroes() public {
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        system.registry.register(address(0), _signingKey, "", TARIFF, 0);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        system.registry.register(_payout, address(0), "", TARIFF, 0);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroTariffHash.selector);
        system.registry.register(_payout, _signingKey, "", 0, 0);
    }

    function test_RevertWhen_StatusIsWrong() public {
        uint32 providerId = _register();
        vm.startPrank(address(system.governor));
        _expectWrongStatus(providerId, IProviderRegistry.ProviderStatus.Pending);
        system.registry.suspend(providerId);
        _expectWrongStatus(providerId, IProviderRegistry.ProviderStatus.Pending);
        system.registry.reinstate(providerId);
        system.registry.approve(providerId);
        _expectWrongStatus(providerId, IProviderRegistry.ProviderStatus.Active);
        system.registry.approve(providerId);
        system.registry.retire(providerId);
        _expectWrongStatus(providerId, IProviderRegistry.ProviderStatus.Retired);
        system.registry.retire(providerId);
        _expectWrongStatus(providerId, IProviderRegistry.ProviderStatus.Retired);
        system.registry.reinstate(providerId);
        _expectWrongStatus(providerId, IProviderRegistry.ProviderStatus.Retired);
        system.registry.approve(providerId);
    }

    function testFuzz_RevertWhen_CallerIsNotGovernor(address caller) public {
        vm.assume(caller != address(system.governor) && caller != _admin);
        uint32 providerId = _register();
        bytes memory reason =
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotGovernor.selector, caller);
        vm.startPrank(caller);
        vm.expectRevert(reason);
        system.registry.approve(providerId);
        vm.expectRevert(reason);
        system.registry.suspend(providerId);
        vm.expectRevert(reason);
        system.registry.reinstate(providerId);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotAdmin.selector, providerId, caller)
        );
        system.registry.retire(providerId);
    }

    function test_RevertWhen_ProviderIsUnknown() public {
        bytes memory reason =
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_UnknownProvider.selector, 9);
        vm.expectRevert(reason);
        system.registry.providerOf(9);
        vm.expectRevert(reason);
        system.registry.retire(9);
        vm.startPrank(address(system.governor));
        vm.expectRevert(reason);
        system.registry.approve(9);
        vm.expectRevert(reason);
        system.registry.suspend(9);
        vm.expectRevert(reason);
        system.registry.reinstate(9);
    }

    function _register() private returns (uint32) {
        vm.prank(_admin);
        return system.registry.register(_payout, _signingKey, "ipfs://a", TARIFF, 0);
    }

    function _expectWrongStatus(uint32 providerId, IProviderRegistry.ProviderStatus status) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_WrongStatus.selector, providerId, status
            )
        );
    }

    function _assertStatus(uint32 providerId, IProviderRegistry.ProviderStatus status) private view {
        assertEq(uint8(system.registry.providerOf(providerId).status), uint8(status));
    }
}
