// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IParamGovernor
/// @notice OpenZeppelin's TimelockController, plus bounded parameters and a guardian's bounded pause.
///
/// Whatever the governor may do in the other contracts is a call by this contract, so it waits for the timelock's delay,
/// which itself can never be set below a floor fixed at deployment. Bounds are fixed in the code. The guardian stops
/// deposits, locks and settlement for at most MAX_PAUSE_SECONDS, and can do nothing else.
///
/// Keys are left-aligned bytes32 strings: "feeBps", "feeRecipient", "providerCapNano", "capWindowSeconds",
/// "graceSeconds", "minimumBondNano", "bondDelaySeconds", "changeDelaySeconds", "channelExitSeconds".
///
/// | Key | Minimum | Maximum | First value |
/// |---|---|---|---|
/// | feeBps | 0 | 1,000 | 100 |
/// | feeRecipient (an address) | 1 | 2^160 - 1 | set at deployment |
/// | providerCapNano | 1e9 | 2^64 - 1 | 1e15 |
/// | capWindowSeconds | 1 hour | 30 days | 1 day |
/// | graceSeconds | 1 hour | 30 days | 1 day |
/// | minimumBondNano | 0 | 1e18 | 0 |
/// | bondDelaySeconds | 0 | 90 days | 7 days |
/// | changeDelaySeconds | 0 | 30 days | 2 days |
/// | channelExitSeconds | 1 hour | 30 days | 1 day |
///
/// @dev Warning: a parameter is read when it is used, so a change reaches locks and channels that are already open,
/// within its bounds. What is fixed once started is said where it is: a bond's return, an exit's time.
/// @dev Warning: an admin given at deployment may grant roles without delay until it renounces; give none.
interface IParamGovernor {
    /// @dev The first values are not announced; they stand in the table above.
    event ParamChanged(bytes32 indexed key, uint256 oldValue, uint256 newValue);
    /// @param until Unix seconds.
    event Paused(address indexed guardian, uint40 until);
    /// @dev Only when a pause is cut short; one that runs out says nothing.
    event Unpaused(address indexed by);

    error ParamGovernor_UnknownParam(bytes32 key);
    error ParamGovernor_OutOfBounds(bytes32 key, uint256 value, uint256 minimum, uint256 maximum);
    error ParamGovernor_NotSelf(address caller);
    error ParamGovernor_DelayTooShort(uint256 minimum, uint256 actual);
    error ParamGovernor_PauseTooLong(uint256 maximumSeconds, uint256 actualSeconds);
    /// @param until Unix seconds from when the guardian may pause again.
    error ParamGovernor_PauseCoolingDown(uint256 until);

    /// @notice May pause and unpause.
    function GUARDIAN_ROLE() external view returns (bytes32);
    /// @notice Seven days: the longest pause, and the cool-down after one.
    function MAX_PAUSE_SECONDS() external view returns (uint256);
    /// @notice The timelock's delay can never be less, in seconds.
    function delayFloor() external view returns (uint256);
    /// @notice The parameter's value; an address as its number. Reverts for an unknown key.
    function param(bytes32 key) external view returns (uint256 value);
    /// @notice Both inclusive. Reverts for an unknown key.
    function boundsOf(bytes32 key) external view returns (uint256 minimum, uint256 maximum);
    /// @notice Only through the timelock.
    function setParam(bytes32 key, uint256 value) external;
    /// @notice What one settlement needs, in one call.
    function settlementParams()
        external
        view
        returns (uint16 feeBps, uint64 providerCapNano, uint32 capWindowSeconds, bool paused);
    /// @notice Guardian only, for at most MAX_PAUSE_SECONDS, then a cool-down of the same length that counts from the
    /// pause's end. Stops deposits, locks and settlement; never withdrawals, releases, revocations or exits.
    function pause(uint32 durationSeconds) external;
    /// @notice Guardian or timelock. Does nothing while not paused.
    function unpause() external;
    /// @notice Whether a pause is running now.
    function isPaused() external view returns (bool);
}
