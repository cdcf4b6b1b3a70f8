// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureCallbackAsset} from "../../utils/FixtureAssets.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

/// @dev An asset that calls back finds every function that moves it shut, whichever of them it is called from.
contract CreditVaultReentrancyTest is FixtureVault {
    FixtureCallbackAsset private _callback;

    function setUp() public override {
        super.setUp();
        _callback = new FixtureCallbackAsset();
        _deploy(_callback);
        _giveTokens(tenant, CREDIT);
        _deposit(tenant, USDC);
        // What calls back is the asset itself, so it has money of its own to try with.
        _giveTokens(address(_callback), CREDIT);
        _deposit(address(_callback), USDC);
    }

    function test_RevertWhen_ReenteredFromADeposit() public {
        bytes[4] memory calls = _guarded();
        for (uint256 i = 0; i < calls.length; ++i) {
            // Minting is a transfer too, so the money comes before the callback is armed.
            _callback.mint(tenant, USDC);
            _callback.callDuringTransfer(address(vault), calls[i]);
            vm.startPrank(tenant);
            _callback.approve(address(vault), USDC);
            vault.deposit(USDC, tenant);
            vm.stopPrank();
            _assertShut();
        }
    }

    function test_RevertWhen_ReenteredFromAWithdrawal() public {
        bytes[4] memory calls = _guarded();
        for (uint256 i = 0; i < calls.length; ++i) {
            _callback.callDuringTransfer(address(vault), calls[i]);
            vm.prank(tenant);
            vault.withdraw(1000, tenant);
            _assertShut();
        }
    }

    function test_RevertWhen_ReenteredFromARedemption() public {
        bytes[4] memory calls = _guarded();
        for (uint256 i = 0; i < calls.length; ++i) {
            _callback.callDuringTransfer(address(vault), calls[i]);
            vm.prank(tenant);
            vault.redeem(1000, tenant);
            _assertShut();
        }
    }

    function test_RevertWhen_ReenteredFromADepositWithPermit() public {
        _callback.mint(tenant, USDC);
        bytes[4] memory calls = _guarded();
        vm.prank(tenant);
        _callback.approve(address(vault), type(uint256).max);
        for (uint256 i = 0; i < calls.length; ++i) {
            _callback.callDuringTransfer(address(vault), calls[i]);
            vm.prank(tenant);
            vault.depositWithPermit(1, tenant, 0, 0, 0, 0);
            _assertShut();
        }
    }

    function _guarded() private view returns (bytes[4] memory) {
        address to = address(_callback);
        return [
            abi.encodeCall(ICreditVault.deposit, (1, to)),
            abi.encodeCall(ICreditVault.depositWithPermit, (1, to, 0, 0, 0, 0)),
            abi.encodeCall(ICreditVault.withdraw, (1000, tenant)),
            abi.encodeCall(ICreditVault.redeem, (1000, tenant))
        ];
    }

    function _assertShut() private view {
        assertEq(
            _callback.failure(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
    }
}
