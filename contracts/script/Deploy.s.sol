// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Script} from "forge-std/Script.sol";
import {MockUSDC} from "../src/mocks/MockUSDC.sol";
import {Deployment} from "./Deployment.sol";

/// @notice Deploys everything and writes the addresses as JSON.
///
/// From the environment; an empty variable counts as absent:
/// - PRIVATE_KEY: the deployer's; or pass --private-key, --account or --ledger to forge.
/// - ASSET: the settlement asset. Required, but on the local chain (31337), where a mock takes its place.
/// - GOVERNOR_PROPOSER, GUARDIAN, FEE_RECIPIENT: the deployer by default, who otherwise ends with no role.
/// - GOVERNOR_DELAY_SECONDS: 172800 by default, 1 on the local chain.
/// - GOVERNOR_DELAY_FLOOR_SECONDS: the same as the delay by default.
/// - AGGREGATOR_PUBLIC_KEY (256 bytes) and AGGREGATOR_POSSESSION_PROOF (128 bytes): hex, encoded as in EIP-2537.
/// - ADDRESSES_FILE: infra/compose/addresses.json by default.
contract Deploy is Script, Deployment {
    uint256 private constant LOCAL_CHAIN_ID = 31337;

    error Deploy_AssetRequired(uint256 chainId);

    function run() external returns (Contracts memory deployed) {
        uint256 startBlock = block.number;
        uint256 privateKey = _uintOr("PRIVATE_KEY", 0);
        if (privateKey == 0) vm.startBroadcast();
        else vm.startBroadcast(privateKey);
        (, address deployer,) = vm.readCallers();

        Settings memory settings = _settings(deployer);
        deployed = _deploy(settings, deployer);
        vm.stopBroadcast();
        _write(settings.asset, startBlock, deployed);
    }

    function _settings(address deployer) private returns (Settings memory settings) {
        settings.aggregatorPublicKey = vm.envBytes("AGGREGATOR_PUBLIC_KEY");
        settings.aggregatorPossessionProof = vm.envBytes("AGGREGATOR_POSSESSION_PROOF");
        settings.proposer = _addressOr("GOVERNOR_PROPOSER", deployer);
        settings.guardian = _addressOr("GUARDIAN", deployer);
        settings.feeRecipient = _addressOr("FEE_RECIPIENT", deployer);
        settings.delaySeconds =
            _uintOr("GOVERNOR_DELAY_SECONDS", block.chainid == LOCAL_CHAIN_ID ? 1 seconds : 2 days);
        settings.delayFloorSeconds = _uintOr("GOVERNOR_DELAY_FLOOR_SECONDS", settings.delaySeconds);
        settings.asset = _addressOr("ASSET", address(0));
        if (settings.asset == address(0)) {
            if (block.chainid != LOCAL_CHAIN_ID) revert Deploy_AssetRequired(block.chainid);
            settings.asset = address(new MockUSDC());
        }
    }

    function _write(address asset, uint256 startBlock, Contracts memory deployed) private {
        string memory json = "addresses";
        vm.serializeUint(json, "chainId", block.chainid);
        vm.serializeUint(json, "startBlock", startBlock);
        vm.serializeAddress(json, "asset", asset);
        vm.serializeAddress(json, "creditToken", address(deployed.token));
        vm.serializeAddress(json, "creditVault", address(deployed.vault));
        vm.serializeAddress(json, "providerRegistry", address(deployed.registry));
        vm.serializeAddress(json, "usageReceipts", address(deployed.receipts));
        vm.serializeAddress(json, "settlementTreasury", address(deployed.treasury));
        vm.serializeAddress(json, "paramGovernor", address(deployed.governor));
        vm.serializeAddress(json, "capabilityAuthority", address(deployed.authority));
        vm.writeJson(
            vm.serializeAddress(json, "sessionChannels", address(deployed.channels)),
            _stringOr("ADDRESSES_FILE", "infra/compose/addresses.json")
        );
    }

    function _stringOr(string memory name, string memory fallbackValue) private view returns (string memory) {
        string memory value = vm.envOr(name, string(""));
        return bytes(value).length == 0 ? fallbackValue : value;
    }

    function _addressOr(string memory name, address fallbackValue) private view returns (address) {
        string memory value = vm.envOr(name, string(""));
        return bytes(value).length == 0 ? fallbackValue : vm.parseAddress(value);
    }

    function _uintOr(string memory name, uint256 fallbackValue) private view returns (uint256) {
        string memory value = vm.envOr(name, string(""));
        return bytes(value).length == 0 ? fallbackValue : vm.parseUint(value);
    }
}
