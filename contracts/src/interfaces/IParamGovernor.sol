// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IParamGovernor
/// @notice OpenZeppelin's TimelockController, plus bounded parameters and a guardian's bounded pause.
///
/// Whatever the governor may do in the other contracts is a call by this contract, so it waits for the timelock's delay,
/// which itself can never be set below a floor fixed at deployment. Bounds are fixed in the code. The guardian stops
/// deposits, locks and settlement for at most MAX_PAUSE_SECONDS, and can do nothing else.
///
/// Assumptions about whoever holds the roles:
/// - the proposer is a multisignature or a governance contract, and what it schedules is watched: the delay is the time
///   in which tenants may leave;
/// - the guardian is another party than the proposer, and quick;
/// - nobody else holds a role. Check.s.sol reads that back after a deployment.
///
/// Worst case: a dishonest proposer can, after the delay, raise the fee to 10 %, redirect fees, suspend providers, enrol
/// gateways and replace the aggregators' key. It cannot take free credit, nor let a lock pay more than its tenant
/// signed.
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
/// @dev Warning: a pause of zero seconds pauses nothing and starts the cool-down.
/// @dev Warning: an admin given at deployment may grant roles without delay until it renounces; give none.
interface IParamGovernor {
    /// @notice A parameter was set through the timelock.
    /// @dev The first values are not announced; they stand in the table above.
    /// @param key The parameter, a left-aligned bytes32 string.
    /// @param oldValue What it was.
    /// @param newValue What it is.
    event ParamChanged(bytes32 indexed key, uint256 oldValue, uint256 newValue);
    /// @notice A pause begins.
    /// @param guardian Who paused.
    /// @param until Unix seconds.
    event Paused(address indexed guardian, uint40 until);
    /// @notice Only when a pause is cut short; one that runs out says nothing.
    /// @param by The guardian or the timelock.
    event Unpaused(address indexed by);

    /// @notice No such parameter.
    /// @param key What was asked for.
    error ParamGovernor_UnknownParam(bytes32 key);
    /// @notice The value lies outside the hard bounds.
    /// @param key The parameter, a left-aligned bytes32 string.
    /// @param value What was given.
    /// @param minimum The least that is accepted.
    /// @param maximum The most that is accepted.
    error ParamGovernor_OutOfBounds(bytes32 key, uint256 value, uint256 minimum, uint256 maximum);
    /// @notice Only a call of the timelock to itself sets parameters.
    /// @param caller Who called.
    error ParamGovernor_NotSelf(address caller);
    /// @notice The delay would fall below its floor.
    /// @param minimum The floor, in seconds.
    /// @param actual Seconds asked for.
    error ParamGovernor_DelayTooShort(uint256 minimum, uint256 actual);
    /// @notice Longer than MAX_PAUSE_SECONDS.
    /// @param maximumSeconds MAX_PAUSE_SECONDS.
    /// @param actualSeconds Seconds asked for.
    error ParamGovernor_PauseTooLong(uint256 maximumSeconds, uint256 actualSeconds);
    /// @notice The last pause ended less than MAX_PAUSE_SECONDS ago, or is still running.
    /// @param until Unix seconds from when the guardian may pause again.
    error ParamGovernor_PauseCoolingDown(uint256 until);

    /// @notice May pause and unpause.
    function GUARDIAN_ROLE() external view returns (bytes32);
    /// @notice Seven days: the longest pause, and the cool-down after one.
    function MAX_PAUSE_SECONDS() external view returns (uint256);
    /// @notice The timelock's delay can never be less, in seconds.
    function delayFloor() external view returns (uint256);
    /// @notice The parameter's value; an address as its number. Reverts for an unknown key.
    /// @param key The parameter, a left-aligned bytes32 string.
    /// @return value Its value; an address as its number.
    function param(bytes32 key) external view returns (uint256 value);
    /// @notice Both inclusive. Reverts for an unknown key.
    /// @param key The parameter, a left-aligned bytes32 string.
    /// @return minimum The least that is accepted.
    /// @return maximum The most that is accepted.
    function boundsOf(bytes32 key) external view returns (uint256 minimum, uint256 maximum);
    /// @notice Only through the timelock.
    /// @param key The parameter, a left-aligned bytes32 string.
    /// @param value Within the bounds of the key.
    function setParam(bytes32 key, uint256 value) external;
    /// @notice What one settlement needs, in one call.
    /// @return feeBps Basis points of what a line pays.
    /// @return providerCapNano The most a provider gets in a cap window, in nanocredits, fee included.
    /// @return capWindowSeconds Length of that window.
    /// @return paused As `isPaused`.
    function settlementParams()
        external
        view
        returns (uint16 feeBps, uint64 providerCapNano, uint32 capWindowSeconds, bool paused);
    /// @notice Guardian only, for at most MAX_PAUSE_SECONDS, then a cool-down of the same length that counts from the
    /// pause's end. Stops deposits, locks and settlement; never withdrawals, releases, revocations or exits.
    /// @param durationSeconds At most MAX_PAUSE_SECONDS.
    function pause(uint32 durationSeconds) external;
    /// @notice Guardian or timelock. Does nothing while not paused.
    function unpause() external;
    /// @notice Whether a pause is running now.
    function isPaused() external view returns (bool);
}
