// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice OpenZeppelin's TimelockController, plus bounded parameters and a guardian's bounded pause.
/// Keys are left-aligned bytes32 strings: "feeBps", "feeRecipient", "providerCapNano", "capWindowSeconds",
/// "graceSeconds", "minimumBondNano", "bondDelaySeconds", "changeDelaySeconds", "channelExitSeconds".
interface IParamGovernor {
    event ParamChanged(bytes32 indexed key, uint256 oldValue, uint256 newValue);
    event Paused(address indexed guardian, uint40 until);
    event Unpaused(address indexed by);

    error ParamGovernor_UnknownParam(bytes32 key);
    error ParamGovernor_OutOfBounds(bytes32 key, uint256 value, uint256 minimum, uint256 maximum);
    error ParamGovernor_NotSelf(address caller);
    error ParamGovernor_DelayTooShort(uint256 minimum, uint256 actual);
    error ParamGovernor_PauseTooLong(uint256 maximumSeconds, uint256 actualSeconds);
    error ParamGovernor_PauseCoolingDown(uint256 until);

    function GUARDIAN_ROLE() external view returns (bytes32);
    function MAX_PAUSE_SECONDS() external view returns (uint256);
    function delayFloor() external view returns (uint256);
    function param(bytes32 key) external view returns (uint256 value);
    function boundsOf(bytes32 key) external view returns (uint256 minimum, uint256 maximum);
    /// @notice Only through the timelock.
    function setParam(bytes32 key, uint256 value) external;
    /// @notice What one settlement needs, in one call.
    function settlementParams()
        external
        view
        returns (uint16 feeBps, uint64 providerCapNano, uint32 capWindowSeconds, bool paused);
    /// @notice Guardian only, at most MAX_PAUSE_SECONDS, then a cool-down of the same length. Stops deposits, locks and
    /// settlement; never withdrawals, releases, revocations or exits.
    function pause(uint32 durationSeconds) external;
    /// @notice Guardian or timelock.
    function unpause() external;
    function isPaused() external view returns (bool);
}
