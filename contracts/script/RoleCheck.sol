// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {CapabilityAuthority} from "../src/CapabilityAuthority.sol";
import {ParamGovernor} from "../src/ParamGovernor.sol";
import {ICapabilityAuthority} from "../src/interfaces/ICapabilityAuthority.sol";
import {IUsageReceipts} from "../src/interfaces/IUsageReceipts.sol";
import {Surprises} from "./Surprises.sol";

/// @notice Who may do what. The contracts keep no lists, so everyone who was ever given something is found in the logs,
/// and asked about at the contract itself.
abstract contract RoleCheck is Surprises {
    /// @dev Public nodes refuse longer ranges.
    uint256 private constant BLOCKS_PER_QUERY = 10_000;

    struct Holders {
        address proposer;
        address guardian;
        address deployer;
    }

    function _checkRoles(ParamGovernor governor, Holders memory holders, uint256 startBlock) internal {
        bytes32[5] memory roles = [
            governor.DEFAULT_ADMIN_ROLE(),
            governor.PROPOSER_ROLE(),
            governor.EXECUTOR_ROLE(),
            governor.CANCELLER_ROLE(),
            governor.GUARDIAN_ROLE()
        ];
        for (uint256 i = 0; i < roles.length; ++i) {
            string memory name = _nameOf(governor, roles[i]);
            address holder = _holderOf(governor, holders, roles[i]);
            _expectTrue(
                string.concat(name, " is not held by ", vm.toString(holder)),
                governor.hasRole(roles[i], holder)
            );
            _expect(string.concat("admin role of ", name), bytes32(0), governor.getRoleAdmin(roles[i]));
            if (holders.deployer == holder) continue;
            _expectTrue(
                string.concat(name, " is held by the deployer"), !governor.hasRole(roles[i], holders.deployer)
            );
        }
        Vm.EthGetLogs[] memory grants =
            _logsOf(address(governor), IAccessControl.RoleGranted.selector, startBlock);
        for (uint256 i = 0; i < grants.length; ++i) {
            bytes32 role = grants[i].topics[1];
            address account = _toAddress(grants[i].topics[2]);
            if (account == _holderOf(governor, holders, role) || account == holders.deployer) continue;
            _expectTrue(
                string.concat(_nameOf(governor, role), " is also held by ", vm.toString(account)),
                !governor.hasRole(role, account)
            );
        }
    }

    function _checkNothingIsPending(ParamGovernor governor, uint256 startBlock) internal {
        Vm.EthGetLogs[] memory scheduled =
            _logsOf(address(governor), TimelockController.CallScheduled.selector, startBlock);
        for (uint256 i = 0; i < scheduled.length; ++i) {
            bytes32 id = scheduled[i].topics[1];
            _expectTrue(
                string.concat("operation ", vm.toString(id), " is pending in the timelock"),
                !governor.isOperationPending(id)
            );
        }
    }

    function _checkGateways(CapabilityAuthority authority, address[] memory enrolled, uint256 startBlock)
        internal
    {
        for (uint256 i = 0; i < enrolled.length; ++i) {
            _expectTrue(
                string.concat("gateway ", vm.toString(enrolled[i]), " is not enrolled"),
                authority.isGateway(enrolled[i])
            );
        }
        Vm.EthGetLogs[] memory terms =
            _logsOf(address(authority), ICapabilityAuthority.GatewayEnrolled.selector, startBlock);
        for (uint256 i = 0; i < terms.length; ++i) {
            address gateway = _toAddress(terms[i].topics[1]);
            if (_contains(enrolled, gateway)) continue;
            _expectTrue(
                string.concat("gateway ", vm.toString(gateway), " is enrolled"), !authority.isGateway(gateway)
            );
        }
    }

    function _checkLanes(address receipts, uint256 startBlock) internal {
        Vm.EthGetLogs[] memory lanes = _logsOf(receipts, IUsageReceipts.LaneOpened.selector, startBlock);
        // Without this one the range was wrong, and what the logs do not show would prove nothing.
        _expectTrue("no LaneOpened event of lane 0 since startBlock", lanes.length != 0);
        for (uint256 i = 0; i < lanes.length; ++i) {
            uint256 laneId = uint256(lanes[i].topics[1]);
            _expectTrue(string.concat("lane ", vm.toString(laneId), " is open"), laneId == 0);
        }
    }

    function _holderOf(ParamGovernor governor, Holders memory holders, bytes32 role)
        private
        view
        returns (address)
    {
        if (role == governor.DEFAULT_ADMIN_ROLE()) return address(governor);
        return role == governor.GUARDIAN_ROLE() ? holders.guardian : holders.proposer;
    }

    function _nameOf(ParamGovernor governor, bytes32 role) private view returns (string memory) {
        if (role == governor.DEFAULT_ADMIN_ROLE()) return "DEFAULT_ADMIN_ROLE";
        if (role == governor.PROPOSER_ROLE()) return "PROPOSER_ROLE";
        if (role == governor.EXECUTOR_ROLE()) return "EXECUTOR_ROLE";
        if (role == governor.CANCELLER_ROLE()) return "CANCELLER_ROLE";
        if (role == governor.GUARDIAN_ROLE()) return "GUARDIAN_ROLE";
        return string.concat("role ", vm.toString(role));
    }

    function _logsOf(address emitter, bytes32 topic, uint256 startBlock)
        private
        returns (Vm.EthGetLogs[] memory logs)
    {
        bytes32[] memory topics = new bytes32[](1);
        topics[0] = topic;
        logs = new Vm.EthGetLogs[](0);
        for (uint256 from = startBlock; from <= block.number; from += BLOCKS_PER_QUERY) {
            uint256 last = from + BLOCKS_PER_QUERY - 1;
            if (last > block.number) last = block.number;
            logs = _joined(logs, vm.eth_getLogs(from, last, emitter, topics));
        }
    }

    function _joined(Vm.EthGetLogs[] memory first, Vm.EthGetLogs[] memory second)
        private
        pure
        returns (Vm.EthGetLogs[] memory all)
    {
        if (first.length == 0) return second;
        all = new Vm.EthGetLogs[](first.length + second.length);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = i < first.length ? first[i] : second[i - first.length];
        }
    }

    function _contains(address[] memory accounts, address account) private pure returns (bool) {
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (accounts[i] == account) return true;
        }
        return false;
    }

    function _toAddress(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
