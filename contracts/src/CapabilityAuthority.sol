// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {ICapabilityAuthority} from "./interfaces/ICapabilityAuthority.sol";
import {ICreditVault} from "./interfaces/ICreditVault.sol";
import {CapabilityLib} from "./libraries/CapabilityLib.sol";
import {BINDING_EXPORTER, BINDING_NONCE, Capability} from "./types/Capability.sol";

/// @title CapabilityAuthority
/// @notice Says whether a capability is valid, when it was revoked, and which gateways may issue tokens for it.
contract CapabilityAuthority is ICapabilityAuthority, EIP712 {
    using Arrays for uint256[];
    using CapabilityLib for Capability;

    struct Term {
        uint40 enrolledAt;
        uint40 removedAt;
    }

    /// @notice The ParamGovernor, which alone enrols and removes gateways.
    address public immutable governor;
    /// @notice The CreditVault that is told of each revocation.
    address public immutable vault;

    mapping(bytes32 jobId => uint40 revokedAt) private _jobRevokedAt;
    /// @dev Ascending. All of them are kept, because a later one must not move the moment at which an earlier one
    /// already revoked a capability.
    // `push` fills it, through a reference.
    // slither-disable-next-line uninitialized-state
    mapping(address tenant => uint256[] revokedAt) private _allRevokedAt;
    /// @dev Kept after removal, because receipts are checked against the term in which they were signed.
    mapping(address gateway => Term) private _terms;

    modifier onlyGovernor() {
        if (msg.sender != governor) revert CapabilityAuthority_NotGovernor(msg.sender);
        _;
    }

    /// @dev Neither address is called here, so either contract may still be undeployed.
    // The one deployment predicts the addresses, and Check.s.sol reads each back.
    // slither-disable-next-line missing-zero-check
    constructor(address governor_, address vault_) EIP712("CapabilityAuthority", "1") {
        governor = governor_;
        vault = vault_;
    }

    /// @inheritdoc ICapabilityAuthority
    function revoke(bytes32 salt) external returns (bytes32 jobId) {
        return _revoke(msg.sender, salt);
    }

    /// @inheritdoc ICapabilityAuthority
    function revokeWithSignature(address tenant, bytes32 salt, uint256 deadline, bytes calldata signature)
        external
        returns (bytes32 jobId)
    {
        uint256 nowSeconds = block.timestamp;
        if (nowSeconds > deadline) revert CapabilityAuthority_SignatureExpired(deadline);
        bytes32 digest = _hashTypedDataV4(CapabilityLib.hashRevocation(tenant, salt, deadline));
        if (!SignatureChecker.isValidSignatureNowCalldata(tenant, digest, signature)) {
            revert CapabilityAuthority_InvalidSignature(tenant);
        }
        return _revoke(tenant, salt);
    }

    /// @inheritdoc ICapabilityAuthority
    function revokeAll() external {
        uint256[] storage moments = _allRevokedAt[msg.sender];
        uint256 nowSeconds = block.timestamp;
        uint256 count = moments.length;
        if (count == 0 || moments[count - 1] != nowSeconds) moments.push(nowSeconds);
        emit AllCapabilitiesRevoked(msg.sender, uint40(block.timestamp));
    }

    /// @inheritdoc ICapabilityAuthority
    function enrolGateway(address gateway) external onlyGovernor {
        if (gateway == address(0)) revert CapabilityAuthority_UnknownGateway(gateway);
        Term storage term = _terms[gateway];
        if (term.enrolledAt != 0) revert CapabilityAuthority_GatewayAlreadyEnrolled(gateway);
        term.enrolledAt = uint40(block.timestamp);
        emit GatewayEnrolled(gateway);
    }

    /// @inheritdoc ICapabilityAuthority
    function removeGateway(address gateway) external onlyGovernor {
        if (!isGateway(gateway)) revert CapabilityAuthority_UnknownGateway(gateway);
        _terms[gateway].removedAt = uint40(block.timestamp);
        emit GatewayRemoved(gateway, uint40(block.timestamp));
    }

    /// @inheritdoc ICapabilityAuthority
    function verify(Capability calldata capability, bytes calldata signature)
        external
        view
        returns (bytes32 capabilityHash)
    {
        _checkTerms(capability);
        uint40 since = revokedAt(capability.tenant, capability.jobId, capability.validAfter);
        if (since != 0) revert CapabilityAuthority_Revoked(capability.jobId, since);

        capabilityHash = hashCapability(capability);
        if (!SignatureChecker.isValidSignatureNowCalldata(capability.tenant, capabilityHash, signature)) {
            revert CapabilityAuthority_InvalidSignature(capability.tenant);
        }
    }

    /// @inheritdoc ICapabilityAuthority
    function gatewayTerm(address gateway) external view returns (uint40 enrolledAt, uint40 removedAt) {
        Term storage term = _terms[gateway];
        return (term.enrolledAt, term.removedAt);
    }

    /// @inheritdoc ICapabilityAuthority
    // The name is EIP-2612's.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc ICapabilityAuthority
    function jobIdOf(address tenant, bytes32 salt) external pure returns (bytes32 jobId) {
        return CapabilityLib.jobIdOf(tenant, salt);
    }

    /// @inheritdoc ICapabilityAuthority
    function hashCapability(Capability calldata capability) public view returns (bytes32 capabilityHash) {
        return _hashTypedDataV4(capability.hashStruct());
    }

    /// @inheritdoc ICapabilityAuthority
    function revokedAt(address tenant, bytes32 jobId, uint64 validAfter) public view returns (uint40) {
        uint40 one = _jobRevokedAt[jobId];
        uint256[] storage moments = _allRevokedAt[tenant];
        uint256 count = moments.length;
        if (count == 0) return one;

        uint256 index = moments.lowerBound(validAfter);
        if (index == count) return one;
        uint40 all = uint40(moments[index]);
        // Zero is a moment that never was.
        // slither-disable-next-line incorrect-equality
        return one == 0 || all < one ? all : one;
    }

    /// @inheritdoc ICapabilityAuthority
    function isGateway(address gateway) public view returns (bool) {
        Term storage term = _terms[gateway];
        return term.enrolledAt != 0 && term.removedAt == 0;
    }

    function _revoke(address tenant, bytes32 salt) private returns (bytes32 jobId) {
        jobId = CapabilityLib.jobIdOf(tenant, salt);
        if (_jobRevokedAt[jobId] != 0) revert CapabilityAuthority_AlreadyRevoked(jobId);
        _jobRevokedAt[jobId] = uint40(block.timestamp);
        emit CapabilityRevoked(tenant, jobId, uint40(block.timestamp));

        bytes32[] memory jobIds = new bytes32[](1);
        jobIds[0] = jobId;
        ICreditVault(vault).applyRevocation(jobIds);
    }

    function _checkTerms(Capability calldata capability) private view {
        if (capability.binding != BINDING_EXPORTER && capability.binding != BINDING_NONCE) {
            revert CapabilityAuthority_UnknownBinding(capability.binding);
        }
        if (capability.maxSpendNano == 0) revert CapabilityAuthority_ZeroSpend();

        uint64 validAfter = capability.validAfter;
        uint64 expiresAt = capability.expiresAt;
        // The vault keeps times in 40 bits; a later expiry would wrap there.
        if (validAfter >= expiresAt || expiresAt > type(uint40).max) {
            revert CapabilityAuthority_InvalidWindow(validAfter, expiresAt);
        }
        uint256 nowSeconds = block.timestamp;
        if (nowSeconds < validAfter) revert CapabilityAuthority_NotYetValid(validAfter);
        if (nowSeconds >= expiresAt) revert CapabilityAuthority_Expired(expiresAt);

        bytes32 jobId = CapabilityLib.jobIdOf(capability.tenant, capability.salt);
        if (capability.jobId != jobId) revert CapabilityAuthority_JobIdMismatch(jobId, capability.jobId);
    }
}
