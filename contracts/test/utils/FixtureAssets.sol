// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {MockUSDC} from "../../src/mocks/MockUSDC.sol";

/// @notice A settlement asset with any number of decimals.
contract FixtureDecimalsAsset is ERC20 {
    uint8 private immutable _decimals;

    constructor(uint8 decimals_) ERC20("Decimals", "DEC") {
        _decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}

/// @notice An asset that keeps one percent of each transfer.
contract FixtureFeeAsset is MockUSDC {
    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = from == address(0) ? 0 : value / 100;
        super._update(from, to, value - fee);
        if (fee != 0) super._update(from, address(0xfee), fee);
    }
}

/// @notice An asset that calls back during a transfer, as ERC-777 does, and keeps what the callback failed with.
contract FixtureCallbackAsset is MockUSDC {
    address private _target;
    bytes private _call;
    bytes public failure;

    function callDuringTransfer(address target, bytes calldata call_) external {
        _target = target;
        _call = call_;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_target != address(0)) {
            address target = _target;
            _target = address(0);
            (bool succeeded, bytes memory answer) = target.call(_call);
            failure = succeeded ? bytes("") : answer;
        }
        super._update(from, to, value);
    }
}
