// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {CapabilityAuthority} from "../src/CapabilityAuthority.sol";
import {CreditToken} from "../src/CreditToken.sol";
import {CreditVault} from "../src/CreditVault.sol";
import {ParamGovernor} from "../src/ParamGovernor.sol";
import {ProviderRegistry} from "../src/ProviderRegistry.sol";
import {SessionChannels} from "../src/SessionChannels.sol";
import {SettlementTreasury} from "../src/SettlementTreasury.sol";
import {UsageReceipts} from "../src/UsageReceipts.sol";
import {IUsageReceipts} from "../src/interfaces/IUsageReceipts.sol";
import {CodeCheck} from "./CodeCheck.sol";
import {Environment} from "./Environment.sol";
import {RoleCheck} from "./RoleCheck.sol";

/// @notice Reads a fresh deployment back from the chain: addresses, code, every immutable, parameter, role and key. It
/// takes the environment of Deploy but no key, and the addresses file. Each difference is printed as a line that begins
/// with SURPRISE, and any makes the run fail.
///
/// GATEWAYS, optional: the gateways that are expected to be enrolled, separated by commas.
contract Check is Environment, CodeCheck, RoleCheck {
    function run() external {
        string memory json = vm.readFile(_addressesFile());
        address deployer = vm.parseJsonAddress(json, ".deployer");
        uint256 startBlock = vm.parseJsonUint(json, ".startBlock");
        Settings memory settings = _readSettings(deployer);
        Contracts memory system = _read(json);

        _expect("chainId of the addresses file", block.chainid, vm.parseJsonUint(json, ".chainId"));
        _expect("asset of the addresses file", settings.asset, vm.parseJsonAddress(json, ".asset"));
        _checkAddresses(system, _predict(settings, deployer));
        _checkCode(system);
        _checkToken(system);
        _checkVault(system, settings);
        _checkWiring(system);
        _checkGovernor(system.governor, settings);
        _checkLaneZero(system.receipts, settings);
        _checkDomains(system);
        _checkRoles(
            system.governor,
            Holders({proposer: settings.proposer, guardian: settings.guardian, deployer: deployer}),
            startBlock
        );
        _checkNothingIsPending(system.governor, startBlock);
        _checkGateways(system.authority, vm.envOr("GATEWAYS", ",", new address[](0)), startBlock);
        _checkLanes(address(system.receipts), startBlock);
        _conclude();
    }

    function _read(string memory json) private pure returns (Contracts memory system) {
        system.governor = ParamGovernor(payable(vm.parseJsonAddress(json, ".paramGovernor")));
        system.token = CreditToken(vm.parseJsonAddress(json, ".creditToken"));
        system.authority = CapabilityAuthority(vm.parseJsonAddress(json, ".capabilityAuthority"));
        system.vault = CreditVault(vm.parseJsonAddress(json, ".creditVault"));
        system.registry = ProviderRegistry(vm.parseJsonAddress(json, ".providerRegistry"));
        system.receipts = UsageReceipts(vm.parseJsonAddress(json, ".usageReceipts"));
        system.treasury = SettlementTreasury(vm.parseJsonAddress(json, ".settlementTreasury"));
        system.channels = SessionChannels(vm.parseJsonAddress(json, ".sessionChannels"));
    }

    /// @dev An address that follows from other settings, other code or another deployer is a surprise of its own.
    function _checkAddresses(Contracts memory system, Contracts memory predicted) private {
        _expect("address of ParamGovernor", address(predicted.governor), address(system.governor));
        _expect("address of CreditToken", address(predicted.token), address(system.token));
        _expect("address of CapabilityAuthority", address(predicted.authority), address(system.authority));
        _expect("address of CreditVault", address(predicted.vault), address(system.vault));
        _expect("address of ProviderRegistry", address(predicted.registry), address(system.registry));
        _expect("address of UsageReceipts", address(predicted.receipts), address(system.receipts));
        _expect("address of SettlementTreasury", address(predicted.treasury), address(system.treasury));
        _expect("address of SessionChannels", address(predicted.channels), address(system.channels));
    }

    function _checkCode(Contracts memory system) private {
        _expectCode("ParamGovernor", address(system.governor));
        _expectCode("CreditToken", address(system.token));
        _expectCode("CapabilityAuthority", address(system.authority));
        _expectCode("CreditVault", address(system.vault));
        _expectCode("ProviderRegistry", address(system.registry));
        _expectCode("UsageReceipts", address(system.receipts));
        _expectCode("SettlementTreasury", address(system.treasury));
        _expectCode("SessionChannels", address(system.channels));
    }

    function _checkToken(Contracts memory system) private {
        CreditToken token = system.token;
        _expect("CreditToken.vault", address(system.vault), token.vault());
        _expect("CreditToken.cap", type(uint128).max, token.cap());
        _expect("CreditToken.decimals", 9, token.decimals());
    }

    function _checkVault(Contracts memory system, Settings memory settings) private {
        CreditVault vault = system.vault;
        _expect("CreditVault.asset", settings.asset, vault.asset());
        _expect("CreditVault.token", address(system.token), vault.token());
        _expect("CreditVault.authority", address(system.authority), vault.authority());
        _expect("CreditVault.treasury", address(system.treasury), vault.treasury());
        _expect("CreditVault.channels", address(system.channels), vault.channels());
        _expect("CreditVault.governor", address(system.governor), vault.governor());
        uint256 nanoPerAssetUnit = 10 ** (9 - IERC20Metadata(settings.asset).decimals());
        _expect("CreditVault.nanoPerAssetUnit", nanoPerAssetUnit, vault.nanoPerAssetUnit());
        _expectTrue(
            "CreditToken's supply exceeds the reserve",
            system.token.totalSupply() <= IERC20(settings.asset).balanceOf(address(vault)) * nanoPerAssetUnit
        );
    }

    function _checkWiring(Contracts memory system) private {
        address governor = address(system.governor);
        _expect("CapabilityAuthority.governor", governor, system.authority.governor());
        _expect("CapabilityAuthority.vault", address(system.vault), system.authority.vault());
        _expect("ProviderRegistry.governor", governor, system.registry.governor());
        _expect("ProviderRegistry.token", address(system.token), system.registry.token());
        _expect("UsageReceipts.governor", governor, system.receipts.governor());
        _expect("UsageReceipts.treasury", address(system.treasury), system.receipts.treasury());
        _expect("SettlementTreasury.governor", governor, system.treasury.governor());
        _expect("SettlementTreasury.vault", address(system.vault), system.treasury.vault());
        _expect("SettlementTreasury.receipts", address(system.receipts), system.treasury.receipts());
        _expect("SettlementTreasury.registry", address(system.registry), system.treasury.registry());
        _expect("SessionChannels.vault", address(system.vault), system.channels.vault());
        _expect("SessionChannels.governor", governor, system.channels.governor());
    }

    /// @dev The first values, as IParamGovernor's table has them.
    function _checkGovernor(ParamGovernor governor, Settings memory settings) private {
        _expect("ParamGovernor.getMinDelay", settings.delaySeconds, governor.getMinDelay());
        _expect("ParamGovernor.delayFloor", settings.delayFloorSeconds, governor.delayFloor());
        _expectTrue("ParamGovernor is paused", !governor.isPaused());
        _expect("feeRecipient", uint160(settings.feeRecipient), governor.param("feeRecipient"));
        _expect("feeBps", 100, governor.param("feeBps"));
        _expect("providerCapNano", 1e15, governor.param("providerCapNano"));
        _expect("capWindowSeconds", 1 days, governor.param("capWindowSeconds"));
        _expect("graceSeconds", 1 days, governor.param("graceSeconds"));
        _expect("minimumBondNano", 0, governor.param("minimumBondNano"));
        _expect("bondDelaySeconds", 7 days, governor.param("bondDelaySeconds"));
        _expect("changeDelaySeconds", 2 days, governor.param("changeDelaySeconds"));
        _expect("channelExitSeconds", 1 days, governor.param("channelExitSeconds"));
    }

    function _checkLaneZero(UsageReceipts receipts, Settings memory settings) private {
        IUsageReceipts.Lane memory lane = receipts.laneOf(0);
        _expect("key hash of lane 0", keccak256(settings.aggregatorPublicKey), lane.keyHash);
        _expect("key epoch of lane 0", 1, lane.keyEpoch);
    }

    function _checkDomains(Contracts memory system) private {
        _checkDomain(address(system.token), "Tokenised API Credit", system.token.DOMAIN_SEPARATOR());
        _checkDomain(address(system.authority), "CapabilityAuthority", system.authority.DOMAIN_SEPARATOR());
        _checkDomain(address(system.receipts), "UsageReceipts", system.receipts.DOMAIN_SEPARATOR());
        _checkDomain(address(system.channels), "SessionChannels", system.channels.DOMAIN_SEPARATOR());
    }

    function _checkDomain(address contract_, string memory name, bytes32 actual) private {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 expected =
            keccak256(abi.encode(typeHash, keccak256(bytes(name)), keccak256("1"), block.chainid, contract_));
        _expect(string.concat("EIP-712 domain of ", name), expected, actual);
    }
}
