// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CREATE3} from "solady/utils/CREATE3.sol";
import {CapabilityAuthority} from "../src/CapabilityAuthority.sol";
import {CreditToken} from "../src/CreditToken.sol";
import {CreditVault} from "../src/CreditVault.sol";
import {ParamGovernor} from "../src/ParamGovernor.sol";
import {ProviderRegistry} from "../src/ProviderRegistry.sol";
import {SessionChannels} from "../src/SessionChannels.sol";
import {SettlementTreasury} from "../src/SettlementTreasury.sol";
import {UsageReceipts} from "../src/UsageReceipts.sol";
import {Create3Factory} from "./Create3Factory.sol";

/// @notice Deploys every contract at an address known beforehand. They know each other's addresses from birth; so there
/// is no setter, and no moment in which a part could be replaced.
///
/// An address follows from the deployer, the settings (the salt is one of them) and the compiled code. The same four
/// give the same addresses on every chain, and a change in any of them gives others; so a deployment that broke off is
/// resumed by running it again, and cannot be completed with other settings by mistake.
abstract contract Deployment {
    /// @dev The canonical CREATE2 deployer. It answers salt and creation code with the new address, in 20 bytes.
    address internal constant CREATE2_DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;

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
        /// @dev Tells apart two systems that agree in everything else.
        bytes32 salt;
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

    error Deployment_Create2Failed();
    error Deployment_UnexpectedAddress(address predicted, address actual);

    /// @param deployer the account that calls the factory. What already has code is left as it is.
    function _deploy(Settings memory settings, address deployer)
        internal
        returns (Contracts memory deployed)
    {
        _create2(type(Create3Factory).creationCode);
        deployed = _predict(settings, deployer);
        bytes32 systemId = _systemIdOf(settings);

        _put(address(deployed.governor), systemId, "ParamGovernor", _governorCode(settings));
        _put(
            address(deployed.token),
            systemId,
            "CreditToken",
            abi.encodePacked(type(CreditToken).creationCode, abi.encode(deployed.vault))
        );
        _put(
            address(deployed.authority),
            systemId,
            "CapabilityAuthority",
            abi.encodePacked(
                type(CapabilityAuthority).creationCode, abi.encode(deployed.governor, deployed.vault)
            )
        );
        _put(address(deployed.vault), systemId, "CreditVault", _vaultCode(settings, deployed));
        _put(
            address(deployed.registry),
            systemId,
            "ProviderRegistry",
            abi.encodePacked(
                type(ProviderRegistry).creationCode, abi.encode(deployed.governor, deployed.token)
            )
        );
        _put(address(deployed.receipts), systemId, "UsageReceipts", _receiptsCode(settings, deployed));
        _put(address(deployed.treasury), systemId, "SettlementTreasury", _treasuryCode(deployed));
        _put(
            address(deployed.channels),
            systemId,
            "SessionChannels",
            abi.encodePacked(
                type(SessionChannels).creationCode, abi.encode(deployed.vault, deployed.governor)
            )
        );
    }

    /// @notice Where `_deploy` of these settings by this deployer puts the contracts, on any chain.
    function _predict(Settings memory settings, address deployer)
        internal
        pure
        returns (Contracts memory predicted)
    {
        bytes32 systemId = _systemIdOf(settings);
        predicted.governor = ParamGovernor(payable(_addressOf(deployer, systemId, "ParamGovernor")));
        predicted.token = CreditToken(_addressOf(deployer, systemId, "CreditToken"));
        predicted.authority = CapabilityAuthority(_addressOf(deployer, systemId, "CapabilityAuthority"));
        predicted.vault = CreditVault(_addressOf(deployer, systemId, "CreditVault"));
        predicted.registry = ProviderRegistry(_addressOf(deployer, systemId, "ProviderRegistry"));
        predicted.receipts = UsageReceipts(_addressOf(deployer, systemId, "UsageReceipts"));
        predicted.treasury = SettlementTreasury(_addressOf(deployer, systemId, "SettlementTreasury"));
        predicted.channels = SessionChannels(_addressOf(deployer, systemId, "SessionChannels"));
    }

    /// @dev Deploys by the canonical CREATE2 deployer with salt zero, unless the code is there already.
    function _create2(bytes memory initCode) internal returns (address deployed) {
        deployed = _create2AddressOf(initCode);
        if (deployed.code.length != 0) return deployed;
        // The deployer has no ABI: it takes salt and code as they are.
        // solhint-disable-next-line avoid-low-level-calls
        (bool succeeded, bytes memory answer) = CREATE2_DEPLOYER.call(abi.encodePacked(bytes32(0), initCode));
        if (!succeeded || answer.length != 20) revert Deployment_Create2Failed();
        // forge-lint: disable-next-line(unsafe-typecast)
        address actual = address(bytes20(answer));
        if (actual != deployed) revert Deployment_UnexpectedAddress(deployed, actual);
    }

    function _create2AddressOf(bytes memory initCode) internal pure returns (address) {
        bytes32 digest =
            keccak256(abi.encodePacked(bytes1(0xff), CREATE2_DEPLOYER, bytes32(0), keccak256(initCode)));
        return address(uint160(uint256(digest)));
    }

    function _put(address predicted, bytes32 systemId, string memory name, bytes memory initCode) private {
        if (predicted.code.length != 0) return;
        Create3Factory factory = Create3Factory(_create2AddressOf(type(Create3Factory).creationCode));
        address actual = factory.deploy(_saltOf(systemId, name), initCode);
        if (actual != predicted) revert Deployment_UnexpectedAddress(predicted, actual);
    }

    /// @dev No admin: from the first block on, roles change through the timelock alone.
    function _governorCode(Settings memory settings) private pure returns (bytes memory) {
        address[] memory proposers = new address[](1);
        proposers[0] = settings.proposer;
        return abi.encodePacked(
            type(ParamGovernor).creationCode,
            abi.encode(
                settings.delaySeconds,
                settings.delayFloorSeconds,
                proposers,
                proposers,
                address(0),
                settings.guardian,
                settings.feeRecipient
            )
        );
    }

    function _vaultCode(Settings memory settings, Contracts memory system)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(
            type(CreditVault).creationCode,
            abi.encode(
                settings.asset,
                system.token,
                system.authority,
                system.treasury,
                system.channels,
                system.governor
            )
        );
    }

    function _receiptsCode(Settings memory settings, Contracts memory system)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(
            type(UsageReceipts).creationCode,
            abi.encode(
                system.governor,
                system.treasury,
                settings.aggregatorPublicKey,
                settings.aggregatorPossessionProof
            )
        );
    }

    function _treasuryCode(Contracts memory system) private pure returns (bytes memory) {
        return abi.encodePacked(
            type(SettlementTreasury).creationCode,
            abi.encode(system.governor, system.vault, system.receipts, system.registry)
        );
    }

    /// @dev Stands for the settings and the code. Which constructor arguments follow from them is code too.
    function _systemIdOf(Settings memory settings) private pure returns (bytes32) {
        bytes32 codeHash = keccak256(
            abi.encode(
                keccak256(type(ParamGovernor).creationCode),
                keccak256(type(CreditToken).creationCode),
                keccak256(type(CapabilityAuthority).creationCode),
                keccak256(type(CreditVault).creationCode),
                keccak256(type(ProviderRegistry).creationCode),
                keccak256(type(UsageReceipts).creationCode),
                keccak256(type(SettlementTreasury).creationCode),
                keccak256(type(SessionChannels).creationCode)
            )
        );
        return keccak256(abi.encode(codeHash, settings));
    }

    function _saltOf(bytes32 systemId, string memory name) private pure returns (bytes32) {
        return keccak256(abi.encode(systemId, name));
    }

    function _addressOf(address deployer, bytes32 systemId, string memory name)
        private
        pure
        returns (address)
    {
        return CREATE3.predictDeterministicAddress(
            keccak256(abi.encode(deployer, _saltOf(systemId, name))),
            _create2AddressOf(type(Create3Factory).creationCode)
        );
    }
}
