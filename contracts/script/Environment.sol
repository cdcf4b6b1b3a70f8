// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Script} from "forge-std/Script.sol";
import {MockUSDC} from "../src/mocks/MockUSDC.sol";
import {BLS12381} from "../src/libraries/BLS12381.sol";
import {Deployment} from "./Deployment.sol";

/// @notice Reads the settings of a deployment from the environment; an empty variable counts as absent.
///
/// - ASSET: the settlement asset; a mock by default.
/// - GOVERNOR_PROPOSER, GUARDIAN, FEE_RECIPIENT: the deployer by default. The proposer also executes and cancels.
/// - GOVERNOR_DELAY_SECONDS: 1 by default.
/// - GOVERNOR_DELAY_FLOOR_SECONDS: the same as the delay by default.
/// - AGGREGATOR_PUBLIC_KEY (256 bytes) and AGGREGATOR_POSSESSION_PROOF (128 bytes): hex, encoded as in EIP-2537.
/// - DEPLOY_SALT (32 bytes): zero by default.
/// - ADDRESSES_FILE: infra/compose/addresses.json by default.
///
/// The first two lines' defaults hold on the local chain (31337) alone; on any other all four are required, and the
/// delay is two days by default.
abstract contract Environment is Script, Deployment {
    uint256 internal constant LOCAL_CHAIN_ID = 31337;

    error Environment_Required(string name, uint256 chainId);
    /// @dev Nobody has shown to hold the secret of AGGREGATOR_PUBLIC_KEY.
    error Environment_InvalidPossessionProof();

    function _readSettings(address deployer) internal view returns (Settings memory settings) {
        bool isLocal = block.chainid == LOCAL_CHAIN_ID;
        settings.asset =
            _addressOr("ASSET", isLocal ? _create2AddressOf(type(MockUSDC).creationCode) : address(0));
        settings.proposer = _addressOr("GOVERNOR_PROPOSER", isLocal ? deployer : address(0));
        settings.guardian = _addressOr("GUARDIAN", isLocal ? deployer : address(0));
        settings.feeRecipient = _addressOr("FEE_RECIPIENT", isLocal ? deployer : address(0));
        settings.delaySeconds = _uintOr("GOVERNOR_DELAY_SECONDS", isLocal ? 1 seconds : 2 days);
        settings.delayFloorSeconds = _uintOr("GOVERNOR_DELAY_FLOOR_SECONDS", settings.delaySeconds);
        settings.salt = bytes32(_uintOr("DEPLOY_SALT", 0));
        settings.aggregatorPublicKey = vm.envBytes("AGGREGATOR_PUBLIC_KEY");
        settings.aggregatorPossessionProof = vm.envBytes("AGGREGATOR_POSSESSION_PROOF");
        // The factory would hide the constructor's own reason.
        if (!BLS12381.verifyPossession(settings.aggregatorPossessionProof, settings.aggregatorPublicKey)) {
            revert Environment_InvalidPossessionProof();
        }
    }

    function _addressesFile() internal view returns (string memory) {
        string memory file = vm.envOr("ADDRESSES_FILE", string(""));
        return bytes(file).length == 0 ? "infra/compose/addresses.json" : file;
    }

    /// @dev A fallback of zero means that the variable is required.
    function _addressOr(string memory name, address fallbackValue) internal view returns (address value) {
        string memory text = vm.envOr(name, string(""));
        value = bytes(text).length == 0 ? fallbackValue : vm.parseAddress(text);
        if (value == address(0)) revert Environment_Required(name, block.chainid);
    }

    function _uintOr(string memory name, uint256 fallbackValue) internal view returns (uint256) {
        string memory text = vm.envOr(name, string(""));
        return bytes(text).length == 0 ? fallbackValue : vm.parseUint(text);
    }
}
