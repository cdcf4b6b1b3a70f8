// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Vm} from "forge-std/Vm.sol";
import {ICapabilityAuthority} from "../../src/interfaces/ICapabilityAuthority.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {IParamGovernor} from "../../src/interfaces/IParamGovernor.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {ISettlementTreasury} from "../../src/interfaces/ISettlementTreasury.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {LineLib} from "../../src/libraries/LineLib.sol";
import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {LineOutcome} from "../../src/types/Line.sol";
import {Store} from "./Store.sol";

/// @notice Every balance, rebuilt from logs and from nothing else, as an indexer would do it: it calls no contract.
contract Ledger {
    struct LockEntry {
        address tenant;
        uint256 maxSpendNano;
        uint256 paidNano;
        uint256 releasedNano;
        /// @dev The first revocation any event told of.
        uint256 revokedAt;
        uint256 timesLocked;
    }

    struct ChannelEntry {
        address payer;
        uint256 depositNano;
        uint256 claimedNano;
        uint256 refundedNano;
        uint256 timesOpened;
        uint256 timesClosed;
    }

    struct LaneEntry {
        uint64 lastBatchNumber;
        uint64 lastWindowEnd;
        uint32 keyEpoch;
        bytes32 keyHash;
        bytes32 lastBatchHash;
    }

    address private immutable _token;
    address private immutable _treasury;

    mapping(address account => uint256 nano) public freeNano;
    mapping(address holder => uint256 nano) public tokenNano;
    uint256 public supplyNano;
    uint256 public assetsIn;
    uint256 public assetsOut;
    mapping(bytes32 jobId => LockEntry) private _locks;
    mapping(uint32 providerId => uint256 nano) public payableNano;
    mapping(uint32 providerId => uint256 nano) public bondNano;
    uint256 public feesNano;
    uint256 public linePaidNano;
    uint256 public lineFeeNano;
    uint256 public assetsOutOfTreasuryNano;
    mapping(bytes32 channelId => ChannelEntry) private _channels;
    mapping(uint32 laneId => LaneEntry) private _lanes;
    mapping(bytes32 key => uint256 value) public paramSetTo;
    uint256 public pausedUntil;

    constructor(address token, address treasury) {
        (_token, _treasury) = (token, treasury);
    }

    function apply_(Vm.Log[] calldata logs) external {
        for (uint256 i = 0; i < logs.length; ++i) {
            Vm.Log calldata log = logs[i];
            bytes32 topic = log.topics[0];
            if (topic == IERC20.Transfer.selector) {
                _onTransfer(log);
            } else if (!_onVault(topic, log) && !_onSettlement(topic, log) && !_onChannel(topic, log)) {
                _onOther(topic, log);
            }
        }
    }

    function lockOf(bytes32 jobId) external view returns (LockEntry memory) {
        return _locks[jobId];
    }

    function locksOf(Store.Job[] calldata jobs) external view returns (LockEntry[] memory entries) {
        entries = new LockEntry[](jobs.length);
        for (uint256 i = 0; i < jobs.length; ++i) {
            entries[i] = _locks[jobs[i].jobId];
        }
    }

    function channelsOf(bytes32[] calldata channelIds) external view returns (ChannelEntry[] memory entries) {
        entries = new ChannelEntry[](channelIds.length);
        for (uint256 i = 0; i < channelIds.length; ++i) {
            entries[i] = _channels[channelIds[i]];
        }
    }

    function laneOf(uint32 laneId) external view returns (LaneEntry memory) {
        return _lanes[laneId];
    }

    function _onTransfer(Vm.Log calldata log) private {
        if (log.emitter != _token) return;
        (address from, address to) = (_address(log.topics[1]), _address(log.topics[2]));
        uint256 nano = abi.decode(log.data, (uint256));
        if (from == address(0)) supplyNano += nano;
        else tokenNano[from] -= nano;
        if (to == address(0)) supplyNano -= nano;
        else tokenNano[to] += nano;
    }

    function _onVault(bytes32 topic, Vm.Log calldata log) private returns (bool) {
        if (topic == ICreditVault.Deposited.selector) {
            (uint256 assets, uint128 nano) = abi.decode(log.data, (uint256, uint128));
            assetsIn += assets;
            freeNano[_address(log.topics[2])] += nano;
        } else if (topic == ICreditVault.CreditDeposited.selector) {
            freeNano[_address(log.topics[2])] += abi.decode(log.data, (uint128));
        } else if (topic == ICreditVault.Withdrawn.selector) {
            (uint256 assets, uint128 nano) = abi.decode(log.data, (uint256, uint128));
            assetsOut += assets;
            freeNano[_address(log.topics[1])] -= nano;
        } else if (topic == ICreditVault.CreditWithdrawn.selector) {
            freeNano[_address(log.topics[1])] -= abi.decode(log.data, (uint128));
        } else if (topic == ICreditVault.Redeemed.selector) {
            (uint256 assets,) = abi.decode(log.data, (uint256, uint256));
            assetsOut += assets;
        } else if (topic == ICreditVault.CreditMoved.selector) {
            uint128 nano = abi.decode(log.data, (uint128));
            freeNano[_address(log.topics[1])] -= nano;
            freeNano[_address(log.topics[2])] += nano;
        } else if (topic == ICreditVault.Locked.selector) {
            (,, uint64 nano,,) = abi.decode(log.data, (bytes32, bytes32, uint64, uint64, uint64));
            LockEntry storage entry = _locks[log.topics[1]];
            entry.tenant = _address(log.topics[2]);
            entry.maxSpendNano = nano;
            entry.timesLocked += 1;
            freeNano[entry.tenant] -= nano;
        } else if (topic == ICreditVault.Released.selector) {
            uint64 nano = abi.decode(log.data, (uint64));
            _locks[log.topics[1]].releasedNano += nano;
            freeNano[_address(log.topics[2])] += nano;
        } else if (topic == ICreditVault.LockRevoked.selector) {
            _onRevoked(log.topics[1], abi.decode(log.data, (uint40)));
        } else {
            return false;
        }
        return true;
    }

    function _onSettlement(bytes32 topic, Vm.Log calldata log) private returns (bool) {
        if (topic == ISettlementTreasury.LineSettled.selector) {
            LineOutcome outcome = abi.decode(log.data, (LineOutcome));
            LockEntry storage entry = _locks[log.topics[1]];
            (uint256 paid, uint256 fee) = (LineLib.paidNano(outcome), LineLib.feeNano(outcome));
            entry.paidNano += paid;
            entry.releasedNano += LineLib.releasedNano(outcome);
            freeNano[entry.tenant] += LineLib.releasedNano(outcome);
            freeNano[_treasury] += paid;
            payableNano[uint32(uint256(log.topics[2]))] += paid - fee;
            feesNano += fee;
            linePaidNano += paid;
            lineFeeNano += fee;
        } else if (topic == ISettlementTreasury.ProviderPaid.selector) {
            (, uint128 nano) = abi.decode(log.data, (uint256, uint128));
            payableNano[uint32(uint256(log.topics[1]))] -= nano;
            assetsOutOfTreasuryNano += nano;
        } else if (topic == ISettlementTreasury.FeesPaid.selector) {
            (, uint128 nano) = abi.decode(log.data, (uint256, uint128));
            feesNano -= nano;
            assetsOutOfTreasuryNano += nano;
        } else if (topic == IUsageReceipts.BatchCommitted.selector) {
            BatchHeader memory header = abi.decode(log.data, (BatchHeader));
            LaneEntry storage lane = _lanes[uint32(uint256(log.topics[1]))];
            (lane.lastBatchNumber, lane.lastWindowEnd) = (header.batchNumber, header.windowEnd);
            lane.lastBatchHash = log.topics[3];
        } else if (topic == IUsageReceipts.LaneOpened.selector) {
            _lanes[uint32(uint256(log.topics[1]))].lastWindowEnd = abi.decode(log.data, (uint64));
        } else if (topic == IUsageReceipts.AggregatorKeySet.selector) {
            LaneEntry storage lane = _lanes[uint32(uint256(log.topics[1]))];
            (lane.keyEpoch, lane.keyHash) = (uint32(uint256(log.topics[2])), log.topics[3]);
        } else {
            return false;
        }
        return true;
    }

    function _onChannel(bytes32 topic, Vm.Log calldata log) private returns (bool) {
        ChannelEntry storage entry = _channels[log.topics.length > 1 ? log.topics[1] : bytes32(0)];
        if (topic == ISessionChannels.ChannelOpened.selector) {
            entry.payer = _address(log.topics[2]);
            entry.depositNano += abi.decode(log.data, (uint64));
            entry.timesOpened += 1;
        } else if (topic == ISessionChannels.ChannelFunded.selector) {
            (uint64 nano,) = abi.decode(log.data, (uint64, uint64));
            entry.depositNano += nano;
        } else if (topic == ISessionChannels.ChannelClaimed.selector) {
            (uint64 nano,) = abi.decode(log.data, (uint64, uint64));
            entry.claimedNano += nano;
        } else if (topic == ISessionChannels.ChannelClosed.selector) {
            (, uint64 nano) = abi.decode(log.data, (uint64, uint64));
            entry.refundedNano += nano;
            entry.timesClosed += 1;
        } else {
            return false;
        }
        return true;
    }

    function _onOther(bytes32 topic, Vm.Log calldata log) private {
        if (topic == ICapabilityAuthority.CapabilityRevoked.selector) {
            _onRevoked(log.topics[2], abi.decode(log.data, (uint40)));
        } else if (topic == IProviderRegistry.BondPosted.selector) {
            bondNano[uint32(uint256(log.topics[1]))] += abi.decode(log.data, (uint128));
        } else if (topic == IProviderRegistry.BondReturned.selector) {
            bondNano[uint32(uint256(log.topics[1]))] -= abi.decode(log.data, (uint128));
        } else if (topic == IParamGovernor.ParamChanged.selector) {
            (, uint256 value) = abi.decode(log.data, (uint256, uint256));
            paramSetTo[log.topics[1]] = value;
        } else if (topic == IParamGovernor.Paused.selector) {
            pausedUntil = abi.decode(log.data, (uint40));
        } else if (topic == IParamGovernor.Unpaused.selector) {
            pausedUntil = block.timestamp;
        }
    }

    function _onRevoked(bytes32 jobId, uint256 revokedAt) private {
        LockEntry storage entry = _locks[jobId];
        if (entry.revokedAt == 0 || revokedAt < entry.revokedAt) entry.revokedAt = revokedAt;
    }

    function _address(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
