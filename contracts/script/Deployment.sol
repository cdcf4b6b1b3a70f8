// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {CapabilityAuthority} from "../src/CapabilityAuthority.sol";
import {CreditToken} from "../src/CreditToken.sol";
import {CreditVault} from "../src/CreditVault.sol";
import {ParamGovernor} from "../src/ParamGovernor.sol";
import {ProviderRegistry} from "../src/ProviderRegistry.sol";
import {SessionChannels} from "../src/SessionChannels.sol";
import {SettlementTreasury} from "../src/SettlementTreasury.sol";
import {UsageReceipts} from "../src/UsageReceipts.sol";

/// @notice Deploys every contract in one fixed order. They know each other's addresses from birth, which the
/// deployer's nonce predicts; so there is no setter, and no moment in which a part is missing.
abstract contract Deployment {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    struct Settings {
        address asset;
        address proposer;
        address guardian;
        address feeRecipient;
        uint256 delaySeconds;
        uint256 delayFloorSeconds;
        /// @dev G2 point, 256 bytes in the encoding of EIP-2537.
        bytes aggregatorPublicKey;
        /// @dev G1 point, 128 bytes in the encoding of EIP-2537.
        bytes aggregatorPossessionProof;
    }

    struct Contracts {
        ParamGovernor governor;
        CreditToken token;
        CapabilityAuthority authority;
        CreditVault vault;
        ProviderRegistry registry;
        UsageReceipts receipts;
        SettlementTreasury treasury;
        SessionChannels channels;
    }

    error Deployment_UnexpectedAddress(address predicted, address actual);

    /// @param deployer the account whose nonce the creations below consume.
    function _deploy(Settings memory settings, address deployer)
        internal
        returns (Contracts memory deployed)
    {
        uint256 nonce = VM.getNonce(deployer);
        address vault = VM.computeCreateAddress(deployer, nonce + 3);
        address treasury = VM.computeCreateAddress(deployer, nonce + 6);
        address channels = VM.computeCreateAddress(deployer, nonce + 7);

        deployed.governor = _deployGovernor(settings);
        deployed.token = new CreditToken(vault);
        deployed.authority = new CapabilityAuthority(address(deployed.governor), vault);
        deployed.vault = new CreditVault(
            settings.asset,
            address(deployed.token),
            address(deployed.authority),
            treasury,
            channels,
            address(deployed.governor)
        );
        deployed.registry = new ProviderRegistry(address(deployed.governor), address(deployed.token));
        deployed.receipts = new UsageReceipts(
            address(deployed.governor),
            treasury,
            settings.aggregatorPublicKey,
            settings.aggregatorPossessionProof
        );
        deployed.treasury = new SettlementTreasury(
            address(deployed.governor), vault, address(deployed.receipts), address(deployed.registry)
        );
        deployed.channels = new SessionChannels(vault, address(deployed.governor));

        _expect(vault, address(deployed.vault));
        _expect(treasury, address(deployed.treasury));
        _expect(channels, address(deployed.channels));
    }

    /// @dev No admin: from the first block on, roles change through the timelock alone.
    function _deployGovernor(Settings memory settings) private returns (ParamGovernor) {
        address[] memory proposers = new address[](1);
        proposers[0] = settings.proposer;
        return new ParamGovernor(
            settings.delaySeconds,
            settings.delayFloorSeconds,
            proposers,
            proposers,
            address(0),
            settings.guardian,
            settings.feeRecipient
        );
    }

    function _expect(address predicted, address actual) private pure {
        if (predicted != actual) revert Deployment_UnexpectedAddress(predicted, actual);
    }
}
