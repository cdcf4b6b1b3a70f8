// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CreditVault} from "../../../src/CreditVault.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureDecimalsAsset} from "../../utils/FixtureAssets.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultConstructorTest is FixtureVault {
    function test_Constructor_KeepsItsAddresses() public view {
        assertEq(vault.asset(), address(asset));
        assertEq(vault.token(), address(token));
        assertEq(vault.authority(), address(authority));
        assertEq(vault.treasury(), treasury);
        assertEq(vault.channels(), channels);
        assertEq(vault.governor(), address(governor));
        assertEq(vault.nanoPerAssetUnit(), 1000);
    }

    function testFuzz_Constructor_ScalesByTheDecimals(uint8 decimals) public {
        decimals = uint8(bound(decimals, 0, 9));
        address other = address(new FixtureDecimalsAsset(decimals));
        CreditVault made = new CreditVault(other, address(1), address(1), address(1), address(1), address(1));
        assertEq(made.nanoPerAssetUnit() * 10 ** decimals, 1e9);
    }

    function testFuzz_RevertWhen_TooManyDecimals(uint8 decimals) public {
        decimals = uint8(bound(decimals, 10, type(uint8).max));
        address other = address(new FixtureDecimalsAsset(decimals));
        vm.expectRevert(abi.encodeWithSelector(ICreditVault.CreditVault_TooManyDecimals.selector, decimals));
        new CreditVault(other, address(1), address(1), address(1), address(1), address(1));
    }

    function test_RevertWhen_AnAddressIsZero() public {
        for (uint256 zeroAt = 0; zeroAt < 6; ++zeroAt) {
            address[6] memory parts =
                [address(asset), address(1), address(1), address(1), address(1), address(1)];
            parts[zeroAt] = address(0);
            // Called from outside, else a deployment that forge links at run time ends the test at the first revert.
            vm.expectRevert(ICreditVault.CreditVault_ZeroAddress.selector);
            this.make(parts);
        }
    }

    function make(address[6] calldata parts) external returns (CreditVault) {
        return new CreditVault(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]);
    }
}
