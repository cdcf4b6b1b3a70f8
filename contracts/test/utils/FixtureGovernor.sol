// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice The two answers the vault wants from its governor, settable at will.
contract FixtureGovernor {
    bool public isPaused;
    mapping(bytes32 key => uint256 value) public param;

    function setPaused(bool paused) external {
        isPaused = paused;
    }

    function setParam(bytes32 key, uint256 value) external {
        param[key] = value;
    }
}
