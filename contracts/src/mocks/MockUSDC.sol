// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title MockUSDC
/// @notice A stand-in for USDC on local chains and in tests: six decimals, ERC-2612, and anybody may mint.
/// @dev Warning: never deploy it where its units are taken for money. Its EIP-712 domain version is "1"; that of the
/// real USDC is "2", so clients read the domain from `eip712Domain()` and do not assume it.
contract MockUSDC is ERC20Permit {
    constructor() ERC20("Mock USD Coin", "USDC") ERC20Permit("Mock USD Coin") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
