// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Deployment} from "../../../script/Deployment.sol";
import {IParamGovernor} from "../../../src/interfaces/IParamGovernor.sol";
import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";
import {Ledger} from "../Ledger.sol";
import {Store} from "../Store.sol";
import {Handler} from "./Handler.sol";

/// @notice A governor that moves every parameter within and beyond its bounds, a guardian that pauses as often as it
/// may, providers that come and go with their bonds, aggregators that change keys, and time.
contract GovernorHandler is Handler {
    uint32 private constant MAX_PROVIDERS = 6;
    uint256 private constant LANES = 2;

    address private immutable _guardian;
    bytes32[9] private _keys = [
        bytes32("feeBps"),
        "feeRecipient",
        "providerCapNano",
        "capWindowSeconds",
        "graceSeconds",
        "minimumBondNano",
        "bondDelaySeconds",
        "changeDelaySeconds",
        "channelExitSeconds"
    ];

    constructor(
        Deployment.Contracts memory system_,
        MockUSDC usdc_,
        Store store_,
        Ledger ledger_,
        address guardian
    ) Handler(system_, usdc_, store_, ledger_) {
        _guardian = guardian;
    }

    function setParam(uint256 index, uint256 value) external recorded {
        bytes32 key = _keys[index % _keys.length];
        (uint256 least, uint256 most) = system.governor.boundsOf(key);
        // A bond nobody can pay, or a cap nobody reaches, would hide the rest.
        if (key == "minimumBondNano") most = 5e9;
        if (key == "providerCapNano") most = 50e9;
        if (key == "feeRecipient") (least, most) = (uint160(0xfee0), uint160(0xfee9));
        vm.prank(address(system.governor));
        system.governor.setParam(key, bound(value, least, most));
        if (key == "capWindowSeconds") store.noteCapWindowChange();
    }

    function setParamOutOfBounds(uint256 index, uint256 value, bool isAbove) external recorded {
        bytes32 key = _keys[index % _keys.length];
        (uint256 least, uint256 most) = system.governor.boundsOf(key);
        if (!isAbove && least == 0) return;
        value = isAbove ? bound(value, most + 1, type(uint256).max) : bound(value, 0, least - 1);
        bytes memory call_ = abi.encodeCall(IParamGovernor.setParam, (key, value));
        mustFail("INV-25", address(system.governor), address(system.governor), call_);
    }

    function updateDelay(uint256 delay) external recorded {
        delay = bound(delay, 0, 30 days);
        uint256 floor = system.governor.delayFloor();
        if (delay < floor) {
            bytes memory call_ = abi.encodeWithSignature("updateDelay(uint256)", delay);
            mustFail("INV-28", address(system.governor), address(system.governor), call_);
            return;
        }
        vm.prank(address(system.governor));
        system.governor.updateDelay(delay);
    }

    function pause(uint32 durationSeconds, bool isTooLong) external recorded {
        uint32 most = uint32(system.governor.MAX_PAUSE_SECONDS());
        durationSeconds = isTooLong
            ? uint32(bound(durationSeconds, most + 1, type(uint32).max))
            : uint32(bound(durationSeconds, 0, most));
        uint256 lastEnd = ledger.pausedUntil();
        bool isCoolingDown = lastEnd != 0 && nowSeconds() < lastEnd + 7 days;
        if (isTooLong || isCoolingDown) {
            bytes memory call_ = abi.encodeCall(IParamGovernor.pause, (durationSeconds));
            mustFail("INV-27", _guardian, address(system.governor), call_);
            return;
        }
        vm.prank(_guardian);
        system.governor.pause(durationSeconds);
    }

    function unpause() external recorded {
        vm.prank(_guardian);
        system.governor.unpause();
    }

    function wait(uint256 time) external recorded {
        vm.warp(nowSeconds() + bound(time, 1, 5 days));
    }

    function register(uint256 admin, uint256 bondNano) external recorded {
        if (system.registry.providerCount() >= MAX_PROVIDERS) return;
        address from = store.actorAt(admin).account;
        uint256 most = system.token.balanceOf(from);
        uint256 least = system.governor.param("minimumBondNano");
        if (most < least) return;
        bondNano = bound(bondNano, least, most);
        vm.startPrank(from);
        system.token.approve(address(system.registry), bondNano);
        uint32 providerId =
            system.registry.register(from, from, "ipfs://provider", keccak256("tariff"), uint128(bondNano));
        vm.stopPrank();
        vm.prank(address(system.governor));
        system.registry.approve(providerId);
    }

    function postBond(uint32 index, uint256 amountNano) external recorded {
        (uint32 providerId, IProviderRegistry.Provider memory provider) = _provider(index);
        amountNano = bound(amountNano, 0, system.token.balanceOf(provider.admin));
        vm.prank(provider.admin);
        system.token.approve(address(system.registry), amountNano);
        if (provider.status == IProviderRegistry.ProviderStatus.Retired) {
            bytes memory call_ = abi.encodeCall(IProviderRegistry.postBond, (providerId, uint128(amountNano)));
            mustFail("INV-05", provider.admin, address(system.registry), call_);
            return;
        }
        vm.prank(provider.admin);
        system.registry.postBond(providerId, uint128(amountNano));
    }

    /// @dev Early, or not retired, it must fail; an admin that was not let in meanwhile cannot take it.
    function returnBond(uint32 index) external recorded {
        (uint32 providerId, IProviderRegistry.Provider memory provider) = _provider(index);
        bytes memory call_ = abi.encodeCall(IProviderRegistry.returnBond, (providerId));
        mustFail("INV-05", address(this), address(system.registry), call_);
        if (provider.status != IProviderRegistry.ProviderStatus.Retired) {
            mustFail("INV-05", provider.admin, address(system.registry), call_);
            return;
        }
        vm.prank(provider.admin);
        try system.registry.returnBond(providerId) {} catch {}
    }

    function toggleProvider(uint32 index) external recorded {
        (uint32 providerId, IProviderRegistry.Provider memory provider) = _provider(index);
        if (provider.status == IProviderRegistry.ProviderStatus.Retired) return;
        bool isActive = system.registry.isActive(providerId);
        if (!isActive && provider.bondNano < system.governor.param("minimumBondNano")) return;
        vm.prank(address(system.governor));
        if (isActive) system.registry.suspend(providerId);
        else system.registry.reinstate(providerId);
    }

    /// @dev One in eight calls retires, so that campaigns keep active providers.
    function retire(uint32 index, uint8 dice) external recorded {
        (uint32 providerId, IProviderRegistry.Provider memory provider) = _provider(index);
        if (dice % 8 != 0 || provider.status == IProviderRegistry.ProviderStatus.Retired) return;
        vm.prank(provider.admin);
        system.registry.retire(providerId);
    }

    function publishTariff(uint32 index, uint32 version, bytes32 tariffHash) external recorded {
        (uint32 providerId, IProviderRegistry.Provider memory provider) = _provider(index);
        if (provider.status == IProviderRegistry.ProviderStatus.Retired || tariffHash == 0) return;
        if (version != provider.tariffVersion + 1) {
            bytes memory call_ =
                abi.encodeCall(IProviderRegistry.publishTariff, (providerId, version, tariffHash));
            mustFail("INV-29", provider.admin, address(system.registry), call_);
        }
        vm.prank(provider.admin);
        system.registry.publishTariff(providerId, provider.tariffVersion + 1, tariffHash);
        store.addTariff(providerId, tariffHash);
    }

    function rotateKey(uint32 laneId, uint256 seed) external recorded {
        laneId = uint32(laneId % LANES);
        bytes memory publicKey = abi.encodePacked(new bytes(224), bound(seed, 1, type(uint128).max));
        vm.prank(address(system.governor));
        system.receipts.rotateKey(laneId, publicKey, abi.encodePacked(new bytes(127), uint8(1)));
        store.addKey(laneId, publicKey);
    }

    function _provider(uint32 index)
        private
        view
        returns (uint32 providerId, IProviderRegistry.Provider memory provider)
    {
        providerId = uint32(bound(index, 1, system.registry.providerCount()));
        provider = system.registry.providerOf(providerId);
    }
}
