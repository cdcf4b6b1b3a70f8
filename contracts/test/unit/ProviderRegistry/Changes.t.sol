// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract ChangesTest is SystemTest {
    address private _admin = makeAddr("admin");
    address private _new = makeAddr("new");
    uint32 private _providerId;

    function setUp() public override {
        super.setUp();
        _providerId = addProvider(_admin);
    }

    function test_EachFieldChangesInTwoSteps() public {
        _change("payout", _new);
        assertEq(system.registry.payoutOf(_providerId), _new);
        _change("signingKey", _new);
        assertEq(system.registry.providerOf(_providerId).signingKey, _new);
        _change("admin", _new);
        assertEq(system.registry.providerOf(_providerId).admin, _new);
    }

    function test_NothingChangesBeforeAcceptance() public {
        address payout = system.registry.payoutOf(_providerId);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ChangeProposed(_providerId, "payout", _new, block.timestamp + 2 days);
        _propose("payout", _new);
        (address value, uint256 effectiveAt) = system.registry.changeOf(_providerId, "payout");
        assertEq(value, _new);
        assertEq(effectiveAt, block.timestamp + 2 days);
        skip(30 days);
        assertEq(system.registry.payoutOf(_providerId), payout);
    }

    function test_ProposingAgainReplacesAndRestartsTheDelay() public {
        _propose("payout", _new);
        skip(2 days);
        _propose("payout", address(0xbeef));
        vm.prank(_new);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotProposed.selector, _new));
        system.registry.acceptChange(_providerId, "payout");
        vm.prank(address(0xbeef));
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_ChangeNotYetEffective.selector, block.timestamp + 2 days
            )
        );
        system.registry.acceptChange(_providerId, "payout");
    }

    function test_NewAdminDropsWhatTheOldOneProposed() public {
        _propose("payout", address(0xbad));
        _propose("signingKey", address(0xbad));
        _propose("admin", _new);
        skip(2 days);
        vm.prank(_new);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ChangeCancelled(_providerId, "payout");
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ChangeCancelled(_providerId, "signingKey");
        system.registry.acceptChange(_providerId, "admin");
        vm.startPrank(address(0xbad));
        _expectNoChange("payout");
        system.registry.acceptChange(_providerId, "payout");
        _expectNoChange("signingKey");
        system.registry.acceptChange(_providerId, "signingKey");
    }

    function test_NewAdminDropsNothingWhereNothingWasProposed() public {
        _propose("admin", _new);
        skip(2 days);
        vm.recordLogs();
        vm.prank(_new);
        system.registry.acceptChange(_providerId, "admin");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1);
        assertEq(logs[0].topics[0], IProviderRegistry.ChangeAccepted.selector);
    }

    /// @dev Whoever was chosen once must not be able to come back after another was.
    function test_RevertWhen_AcceptedTwice() public {
        bytes32[3] memory fields = [bytes32("payout"), "signingKey", "admin"];
        for (uint256 i = 0; i < fields.length; ++i) {
            _change(fields[i], _new);
            vm.prank(_new);
            _expectNoChange(fields[i]);
            system.registry.acceptChange(_providerId, fields[i]);
        }
    }

    function test_Cancel() public {
        _propose("payout", _new);
        vm.prank(_admin);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ChangeCancelled(_providerId, "payout");
        system.registry.cancelChange(_providerId, "payout");
        skip(2 days);
        vm.prank(_new);
        _expectNoChange("payout");
        system.registry.acceptChange(_providerId, "payout");
    }

    function test_RetiredProviderMayStillMoveItsPayout() public {
        vm.prank(_admin);
        system.registry.retire(_providerId);
        _change("payout", _new);
        assertEq(system.registry.payoutOf(_providerId), _new);
    }

    function test_RevertWhen_AcceptedTooEarly() public {
        _propose("payout", _new);
        skip(2 days - 1);
        vm.prank(_new);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_ChangeNotYetEffective.selector, block.timestamp + 1
            )
        );
        system.registry.acceptChange(_providerId, "payout");
    }

    function testFuzz_RevertWhen_AcceptedByAnother(address caller) public {
        vm.assume(caller != _new);
        _propose("payout", _new);
        skip(2 days);
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotProposed.selector, caller)
        );
        system.registry.acceptChange(_providerId, "payout");
    }

    function test_RevertWhen_FieldIsUnknownOrValueZero() public {
        vm.startPrank(_admin);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_UnknownField.selector, bytes32("Payout")
            )
        );
        system.registry.proposeChange(_providerId, "Payout", _new);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        system.registry.proposeChange(_providerId, "payout", address(0));
        _expectNoChange("payout");
        system.registry.cancelChange(_providerId, "payout");
    }

    function testFuzz_RevertWhen_CallerIsNotAdmin(address caller) public {
        vm.assume(caller != _admin);
        bytes memory reason =
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotAdmin.selector, _providerId, caller);
        vm.startPrank(caller);
        vm.expectRevert(reason);
        system.registry.proposeChange(_providerId, "payout", caller);
        vm.expectRevert(reason);
        system.registry.cancelChange(_providerId, "payout");
        vm.expectRevert(reason);
        system.registry.publishTariff(_providerId, 2, keccak256("t"));
        vm.expectRevert(reason);
        system.registry.setMetadataURI(_providerId, "ipfs://b");
        vm.expectRevert(reason);
        system.registry.postBond(_providerId, 1);
        vm.expectRevert(reason);
        system.registry.returnBond(_providerId);
    }

    function test_PublishTariffKeepsEveryVersion() public {
        vm.startPrank(_admin);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.TariffPublished(_providerId, 2, keccak256("second"));
        system.registry.publishTariff(_providerId, 2, keccak256("second"));
        assertEq(system.registry.tariffHashOf(_providerId, 1), keccak256("tariff"));
        assertEq(system.registry.tariffHashOf(_providerId, 2), keccak256("second"));
        assertEq(system.registry.providerOf(_providerId).tariffVersion, 2);
    }

    function testFuzz_RevertWhen_TariffVersionIsNotNext(uint32 tariffVersion) public {
        vm.assume(tariffVersion != 2);
        vm.startPrank(_admin);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_WrongTariffVersion.selector, 2, tariffVersion
            )
        );
        system.registry.publishTariff(_providerId, tariffVersion, keccak256("t"));
    }

    function test_RevertWhen_TariffHashIsZeroOrProviderRetired() public {
        vm.startPrank(_admin);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroTariffHash.selector);
        system.registry.publishTariff(_providerId, 2, 0);
        system.registry.retire(_providerId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_WrongStatus.selector,
                _providerId,
                IProviderRegistry.ProviderStatus.Retired
            )
        );
        system.registry.publishTariff(_providerId, 2, keccak256("t"));
    }

    function test_SetMetadataURI() public {
        vm.prank(_admin);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.MetadataChanged(_providerId, "ipfs://b");
        system.registry.setMetadataURI(_providerId, "ipfs://b");
        assertEq(system.registry.providerOf(_providerId).metadataURI, "ipfs://b");
    }

    function _propose(bytes32 field, address value) private {
        vm.prank(_admin);
        system.registry.proposeChange(_providerId, field, value);
    }

    function _change(bytes32 field, address value) private {
        _propose(field, value);
        skip(2 days);
        vm.prank(value);
        vm.expectEmit(address(system.registry));
        emit IProviderRegistry.ChangeAccepted(_providerId, field, value);
        system.registry.acceptChange(_providerId, field);
    }

    function _expectNoChange(bytes32 field) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_NoChangeProposed.selector, _providerId, field
            )
        );
    }
}
