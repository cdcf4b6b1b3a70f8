// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";

contract MockUSDCDomainTest is Test {
    MockUSDC private _asset = new MockUSDC();

    function test_Names() public view {
        assertEq(_asset.name(), "Mock USD Coin");
        assertEq(_asset.symbol(), "USDC");
    }

    function test_Domain_ReadsAsThePermitsDo() public view {
        (, string memory name, string memory version, uint256 chainId, address verifier,,) =
            _asset.eip712Domain();
        assertEq(name, "Mock USD Coin");
        assertEq(version, "1");
        assertEq(chainId, block.chainid);
        assertEq(verifier, address(_asset));
    }
}
