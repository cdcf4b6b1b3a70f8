// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Capped} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {ICreditToken} from "../../../src/interfaces/ICreditToken.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditTokenSupplyTest is FixtureVault {
    function test_Metadata_IsThatOfCredit() public view {
        assertEq(token.name(), "Tokenised API Credit");
        assertEq(token.symbol(), "CREDIT");
        assertEq(token.decimals(), 9);
        assertEq(token.vault(), address(vault));
        assertEq(token.totalSupply(), 0);
        assertEq(token.cap(), type(uint128).max);
    }

    function testFuzz_Mint_CreatesForTheRecipient(uint128 amountNano) public {
        vm.expectEmit(address(token));
        emit IERC20.Transfer(address(0), tenant, amountNano);
        vm.prank(address(vault));
        token.mint(tenant, amountNano);
        assertEq(token.balanceOf(tenant), amountNano);
        assertEq(token.totalSupply(), amountNano);
    }

    function testFuzz_Burn_DestroysOfTheHolder(uint128 minted, uint128 burnt) public {
        burnt = uint128(bound(burnt, 0, minted));
        vm.startPrank(address(vault));
        token.mint(tenant, minted);
        vm.expectEmit(address(token));
        emit IERC20.Transfer(tenant, address(0), burnt);
        token.burn(tenant, burnt);
        assertEq(token.balanceOf(tenant), minted - burnt);
        assertEq(token.totalSupply(), minted - burnt);
    }

    function testFuzz_RevertWhen_TheCallerIsNotTheVault(address caller) public {
        vm.assume(caller != address(vault));
        bytes memory refusal = abi.encodeWithSelector(ICreditToken.CreditToken_NotVault.selector, caller);
        vm.startPrank(caller);
        vm.expectRevert(refusal);
        token.mint(caller, 1);
        vm.expectRevert(refusal);
        token.burn(caller, 0);
    }

    function testFuzz_RevertWhen_TheSupplyWouldExceedItsCap(uint256 amountNano) public {
        amountNano = bound(amountNano, uint256(type(uint128).max) + 1, type(uint256).max);
        vm.expectRevert(
            abi.encodeWithSelector(
                ERC20Capped.ERC20ExceededCap.selector, amountNano, uint256(type(uint128).max)
            )
        );
        vm.prank(address(vault));
        token.mint(tenant, amountNano);
    }

    function test_RevertWhen_BurningMoreThanTheHolderHas() public {
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, tenant, 0, 1));
        vm.prank(address(vault));
        token.burn(tenant, 1);
    }
}
