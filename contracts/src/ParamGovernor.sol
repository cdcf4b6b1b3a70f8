// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";

/// @title ParamGovernor
/// @notice A timelock with a floor, parameters inside fixed bounds, and a bounded pause.
contract ParamGovernor is TimelockController, IParamGovernor {
    using SafeCast for uint256;

    /// @inheritdoc IParamGovernor
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @inheritdoc IParamGovernor
    uint256 public constant MAX_PAUSE_SECONDS = 7 days;

    bytes32 private constant FEE_BPS = "feeBps";
    bytes32 private constant FEE_RECIPIENT = "feeRecipient";
    bytes32 private constant PROVIDER_CAP_NANO = "providerCapNano";
    bytes32 private constant CAP_WINDOW_SECONDS = "capWindowSeconds";
    bytes32 private constant GRACE_SECONDS = "graceSeconds";
    bytes32 private constant MINIMUM_BOND_NANO = "minimumBondNano";
    bytes32 private constant BOND_DELAY_SECONDS = "bondDelaySeconds";
    bytes32 private constant CHANGE_DELAY_SECONDS = "changeDelaySeconds";
    bytes32 private constant CHANNEL_EXIT_SECONDS = "channelExitSeconds";

    /// @dev One slot: what every settlement reads, pause included.
    struct SettlementSlot {
        uint16 feeBps;
        uint64 providerCapNano;
        uint32 capWindowSeconds;
        /// @dev Unix seconds at which the last pause ends or ended; zero before the first.
        uint40 pausedUntil;
    }

    /// @dev Two slots. The bounds below keep every value inside its type.
    struct OtherSlots {
        address feeRecipient;
        uint32 graceSeconds;
        uint32 channelExitSeconds;
        uint32 changeDelaySeconds;
        uint64 minimumBondNano;
        uint32 bondDelaySeconds;
    }

    /// @inheritdoc IParamGovernor
    uint256 public immutable delayFloor;

    SettlementSlot private _settlement =
        SettlementSlot({feeBps: 100, providerCapNano: 1e15, capWindowSeconds: 1 days, pausedUntil: 0});
    OtherSlots private _others;

    /// @param minDelay the timelock's first delay, in seconds.
    /// @param delayFloor_ the delay, in seconds, below which the timelock can never be set.
    /// @param admin holds every role's administration until it renounces; zero for none.
    constructor(
        uint256 minDelay,
        uint256 delayFloor_,
        address[] memory proposers,
        address[] memory executors,
        address admin,
        address guardian,
        address feeRecipient
    ) TimelockController(minDelay, proposers, executors, admin) {
        if (minDelay < delayFloor_) {
            revert ParamGovernor_DelayTooShort(delayFloor_, minDelay);
        }
        delayFloor = delayFloor_;
        _checkBounds(FEE_RECIPIENT, uint160(feeRecipient));
        _others = OtherSlots({
            feeRecipient: feeRecipient,
            graceSeconds: 1 days,
            channelExitSeconds: 1 days,
            changeDelaySeconds: 2 days,
            minimumBondNano: 0,
            bondDelaySeconds: 7 days
        });
        _grantRole(GUARDIAN_ROLE, guardian);
    }

    /// @inheritdoc IParamGovernor
    function setParam(bytes32 key, uint256 value) external {
        if (msg.sender != address(this)) revert ParamGovernor_NotSelf(msg.sender);
        _checkBounds(key, value);
        uint256 oldValue = param(key);
        _write(key, value);
        emit ParamChanged(key, oldValue, value);
    }

    /// @inheritdoc IParamGovernor
    function pause(uint32 durationSeconds) external onlyRole(GUARDIAN_ROLE) {
        if (durationSeconds > MAX_PAUSE_SECONDS) {
            revert ParamGovernor_PauseTooLong(MAX_PAUSE_SECONDS, durationSeconds);
        }
        uint256 lastPauseEnd = _settlement.pausedUntil;
        if (lastPauseEnd != 0 && block.timestamp < lastPauseEnd + MAX_PAUSE_SECONDS) {
            revert ParamGovernor_PauseCoolingDown(lastPauseEnd + MAX_PAUSE_SECONDS);
        }
        uint40 until = uint40(block.timestamp) + durationSeconds;
        _settlement.pausedUntil = until;
        emit Paused(msg.sender, until);
    }

    /// @inheritdoc IParamGovernor
    function unpause() external {
        if (msg.sender != address(this)) _checkRole(GUARDIAN_ROLE, msg.sender);
        // The cool-down counts from the end of the pause, so a second call must not move it.
        if (!isPaused()) return;
        _settlement.pausedUntil = uint40(block.timestamp);
        emit Unpaused(msg.sender);
    }

    /// @inheritdoc IParamGovernor
    function settlementParams()
        external
        view
        returns (uint16 feeBps, uint64 providerCapNano, uint32 capWindowSeconds, bool paused)
    {
        SettlementSlot memory settlement = _settlement;
        return (
            settlement.feeBps,
            settlement.providerCapNano,
            settlement.capWindowSeconds,
            block.timestamp < settlement.pausedUntil
        );
    }

    /// @inheritdoc TimelockController
    /// @dev The floor holds even against the timelock itself.
    function updateDelay(uint256 newDelay) public override {
        if (newDelay < delayFloor) revert ParamGovernor_DelayTooShort(delayFloor, newDelay);
        super.updateDelay(newDelay);
    }

    /// @inheritdoc IParamGovernor
    function isPaused() public view returns (bool) {
        return block.timestamp < _settlement.pausedUntil;
    }

    /// @inheritdoc IParamGovernor
    function param(bytes32 key) public view returns (uint256 value) {
        if (key == FEE_BPS) return _settlement.feeBps;
        if (key == FEE_RECIPIENT) return uint160(_others.feeRecipient);
        if (key == PROVIDER_CAP_NANO) return _settlement.providerCapNano;
        if (key == CAP_WINDOW_SECONDS) return _settlement.capWindowSeconds;
        if (key == GRACE_SECONDS) return _others.graceSeconds;
        if (key == MINIMUM_BOND_NANO) return _others.minimumBondNano;
        if (key == BOND_DELAY_SECONDS) return _others.bondDelaySeconds;
        if (key == CHANGE_DELAY_SECONDS) return _others.changeDelaySeconds;
        if (key == CHANNEL_EXIT_SECONDS) return _others.channelExitSeconds;
        revert ParamGovernor_UnknownParam(key);
    }

    /// @inheritdoc IParamGovernor
    function boundsOf(bytes32 key) public pure returns (uint256 minimum, uint256 maximum) {
        if (key == FEE_BPS) return (0, 1000);
        if (key == FEE_RECIPIENT) return (1, type(uint160).max);
        if (key == PROVIDER_CAP_NANO) return (1e9, type(uint64).max);
        if (key == CAP_WINDOW_SECONDS) return (1 hours, 30 days);
        if (key == GRACE_SECONDS) return (1 hours, 30 days);
        if (key == MINIMUM_BOND_NANO) return (0, 1e18);
        if (key == BOND_DELAY_SECONDS) return (0, 90 days);
        if (key == CHANGE_DELAY_SECONDS) return (0, 30 days);
        if (key == CHANNEL_EXIT_SECONDS) return (1 hours, 30 days);
        revert ParamGovernor_UnknownParam(key);
    }

    function _checkBounds(bytes32 key, uint256 value) private pure {
        (uint256 minimum, uint256 maximum) = boundsOf(key);
        if (value < minimum || value > maximum) {
            revert ParamGovernor_OutOfBounds(key, value, minimum, maximum);
        }
    }

    function _write(bytes32 key, uint256 value) private {
        if (key == FEE_BPS) _settlement.feeBps = value.toUint16();
        else if (key == FEE_RECIPIENT) _others.feeRecipient = address(value.toUint160());
        else if (key == PROVIDER_CAP_NANO) _settlement.providerCapNano = value.toUint64();
        else if (key == CAP_WINDOW_SECONDS) _settlement.capWindowSeconds = value.toUint32();
        else if (key == GRACE_SECONDS) _others.graceSeconds = value.toUint32();
        else if (key == MINIMUM_BOND_NANO) _others.minimumBondNano = value.toUint64();
        else if (key == BOND_DELAY_SECONDS) _others.bondDelaySeconds = value.toUint32();
        else if (key == CHANGE_DELAY_SECONDS) _others.changeDelaySeconds = value.toUint32();
        else _others.channelExitSeconds = value.toUint32();
    }
}
