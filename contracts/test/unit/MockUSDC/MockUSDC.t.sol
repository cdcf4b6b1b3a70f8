// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";

contract MockUSDCTest is Test {
    function testFuzz_Mint_IsOpenToAnybody(address caller, uint256 amount) public {
        MockUSDC usdc = new MockUSDC();
        vm.prank(caller);
        usdc.mint(address(this), amount);
        assertEq(usdc.balanceOf(address(this)), amount);
    }

    function test_Decimals_AreSix() public {
        MockUSDC usdc = new MockUSDC();
        assertEq(usdc.decimals(), 6);
        assertEq(usdc.symbol(), "USDC");
    }
}
