// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {MockUSDC} from "../src/mocks/MockUSDC.sol";
import {Environment} from "./Environment.sol";

/// @notice Deploys everything and writes the addresses as JSON. The settings come from the environment: see
/// Environment. Also read here:
/// - PRIVATE_KEY: the deployer's; or pass --private-key, --account or --ledger to forge.
/// - START_BLOCK: only to resume a deployment whose addresses file was lost: a block before its first transaction.
///
/// The governor's roles go to their holders in its constructor, so the deployer never holds one, unless it was named as
/// a holder, which only the local chain allows.
///
/// Running it again with the same settings deploys what is missing, or nothing. Afterwards run Check.
contract Deploy is Environment {
    error Deploy_DeployerHoldsRole(bytes32 role);
    /// @dev The contracts are there already, and the addresses file that knew since when is not.
    error Deploy_StartBlockUnknown();

    function run() external returns (Contracts memory deployed) {
        uint256 privateKey = _uintOr("PRIVATE_KEY", 0);
        if (privateKey == 0) vm.startBroadcast();
        else vm.startBroadcast(privateKey);
        (, address deployer,) = vm.readCallers();

        Settings memory settings = _readSettings(deployer);
        uint256 startBlock = _startBlock(address(_predict(settings, deployer).governor));
        if (settings.asset == _create2AddressOf(type(MockUSDC).creationCode)) {
            _create2(type(MockUSDC).creationCode);
        }
        deployed = _deploy(settings, deployer);
        vm.stopBroadcast();

        if (block.chainid != LOCAL_CHAIN_ID) _checkHoldsNoRole(deployed, deployer);
        _write(settings, deployer, startBlock, deployed);
    }

    function _checkHoldsNoRole(Contracts memory deployed, address deployer) private view {
        bytes32[5] memory roles = [
            deployed.governor.DEFAULT_ADMIN_ROLE(),
            deployed.governor.PROPOSER_ROLE(),
            deployed.governor.EXECUTOR_ROLE(),
            deployed.governor.CANCELLER_ROLE(),
            deployed.governor.GUARDIAN_ROLE()
        ];
        for (uint256 i = 0; i < roles.length; ++i) {
            if (IAccessControl(deployed.governor).hasRole(roles[i], deployer)) {
                revert Deploy_DeployerHoldsRole(roles[i]);
            }
        }
    }

    /// @dev The services read events from this block on. A run that resumes an earlier one must not move it.
    function _startBlock(address governor) private view returns (uint256) {
        if (governor.code.length == 0) return block.number;
        uint256 startBlock = _uintOr("START_BLOCK", 0);
        if (startBlock != 0) return startBlock;
        string memory file = _addressesFile();
        if (!vm.isFile(file)) revert Deploy_StartBlockUnknown();
        string memory json = vm.readFile(file);
        if (
            vm.parseJsonAddress(json, ".paramGovernor") != governor
                || vm.parseJsonUint(json, ".chainId") != block.chainid
        ) revert Deploy_StartBlockUnknown();
        return vm.parseJsonUint(json, ".startBlock");
    }

    function _write(Settings memory settings, address deployer, uint256 startBlock, Contracts memory deployed)
        private
    {
        string memory json = "addresses";
        vm.serializeUint(json, "chainId", block.chainid);
        vm.serializeUint(json, "startBlock", startBlock);
        vm.serializeAddress(json, "deployer", deployer);
        vm.serializeAddress(json, "asset", settings.asset);
        vm.serializeAddress(json, "creditToken", address(deployed.token));
        vm.serializeAddress(json, "creditVault", address(deployed.vault));
        vm.serializeAddress(json, "providerRegistry", address(deployed.registry));
        vm.serializeAddress(json, "usageReceipts", address(deployed.receipts));
        vm.serializeAddress(json, "settlementTreasury", address(deployed.treasury));
        vm.serializeAddress(json, "paramGovernor", address(deployed.governor));
        vm.serializeAddress(json, "capabilityAuthority", address(deployed.authority));
        vm.writeJson(
            vm.serializeAddress(json, "sessionChannels", address(deployed.channels)), _addressesFile()
        );
    }
}
