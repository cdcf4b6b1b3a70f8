// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";

/// @title ProviderRegistry
/// @notice Providers: their addresses, tariffs, status and bonds.
contract ProviderRegistry is IProviderRegistry {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    bytes32 private constant FIELD_PAYOUT = "payout";
    bytes32 private constant FIELD_SIGNING_KEY = "signingKey";
    bytes32 private constant FIELD_ADMIN = "admin";

    /// @dev The first slot holds all that settlement asks for but the payout address.
    struct Record {
        address admin;
        ProviderStatus status;
        uint32 tariffVersion;
        /// @dev Unix seconds; set once, when the provider retires, so that a later parameter cannot move it.
        uint40 bondUnlocksAt;
        address payout;
        address signingKey;
        uint128 bondNano;
        string metadataURI;
        mapping(uint32 tariffVersion => bytes32 tariffHash) tariffHashes;
        mapping(bytes32 field => Change) changes;
    }

    struct Change {
        address value;
        uint40 effectiveAt;
    }

    /// @inheritdoc IProviderRegistry
    address public immutable governor;
    /// @inheritdoc IProviderRegistry
    address public immutable token;
    /// @inheritdoc IProviderRegistry
    uint32 public providerCount;

    mapping(uint32 providerId => Record) private _records;

    modifier onlyGovernor() {
        if (msg.sender != governor) revert ProviderRegistry_NotGovernor(msg.sender);
        _;
    }

    // The one deployment predicts the addresses, and Check.s.sol reads each back.
    // slither-disable-next-line missing-zero-check
    constructor(address governor_, address token_) {
        governor = governor_;
        token = token_;
    }

    /// @inheritdoc IProviderRegistry
    function register(
        address payout,
        address signingKey,
        string calldata metadataURI,
        bytes32 tariffHash,
        uint128 bondNano
    ) external returns (uint32 providerId) {
        if (payout == address(0) || signingKey == address(0)) {
            revert ProviderRegistry_ZeroAddress();
        }
        _checkBond(bondNano);
        providerId = ++providerCount;
        Record storage record = _records[providerId];
        record.admin = msg.sender;
        record.payout = payout;
        record.signingKey = signingKey;
        record.metadataURI = metadataURI;
        emit ProviderRegistered(providerId, msg.sender, payout, signingKey, metadataURI);
        _setStatus(record, providerId, ProviderStatus.Pending);
        _publishTariff(record, providerId, 1, tariffHash);
        if (bondNano != 0) _pullBond(record, providerId, bondNano);
    }

    /// @inheritdoc IProviderRegistry
    function approve(uint32 providerId) external onlyGovernor {
        _activate(providerId, ProviderStatus.Pending);
    }

    /// @inheritdoc IProviderRegistry
    function suspend(uint32 providerId) external onlyGovernor {
        Record storage record = _known(providerId);
        if (record.status != ProviderStatus.Active) {
            revert ProviderRegistry_WrongStatus(providerId, record.status);
        }
        _setStatus(record, providerId, ProviderStatus.Suspended);
    }

    /// @inheritdoc IProviderRegistry
    function reinstate(uint32 providerId) external onlyGovernor {
        _activate(providerId, ProviderStatus.Suspended);
    }

    /// @inheritdoc IProviderRegistry
    function retire(uint32 providerId) external {
        Record storage record = _known(providerId);
        if (msg.sender != record.admin && msg.sender != governor) {
            revert ProviderRegistry_NotAdmin(providerId, msg.sender);
        }
        _checkNotRetired(record, providerId);
        record.bondUnlocksAt =
            (block.timestamp + IParamGovernor(governor).param("bondDelaySeconds")).toUint40();
        _setStatus(record, providerId, ProviderStatus.Retired);
    }

    /// @inheritdoc IProviderRegistry
    function publishTariff(uint32 providerId, uint32 tariffVersion, bytes32 tariffHash) external {
        Record storage record = _ownedByCaller(providerId);
        _checkNotRetired(record, providerId);
        _publishTariff(record, providerId, tariffVersion, tariffHash);
    }

    /// @inheritdoc IProviderRegistry
    function setMetadataURI(uint32 providerId, string calldata metadataURI) external {
        _ownedByCaller(providerId).metadataURI = metadataURI;
        emit MetadataChanged(providerId, metadataURI);
    }

    /// @inheritdoc IProviderRegistry
    function proposeChange(uint32 providerId, bytes32 field, address value) external {
        Record storage record = _ownedByCaller(providerId);
        if (field != FIELD_PAYOUT && field != FIELD_SIGNING_KEY && field != FIELD_ADMIN) {
            revert ProviderRegistry_UnknownField(field);
        }
        if (value == address(0)) revert ProviderRegistry_ZeroAddress();
        uint256 effectiveAt = block.timestamp + IParamGovernor(governor).param("changeDelaySeconds");
        record.changes[field] = Change({value: value, effectiveAt: effectiveAt.toUint40()});
        emit ChangeProposed(providerId, field, value, effectiveAt);
    }

    /// @inheritdoc IProviderRegistry
    function cancelChange(uint32 providerId, bytes32 field) external {
        Record storage record = _ownedByCaller(providerId);
        _proposed(record, providerId, field);
        _cancel(record, providerId, field);
    }

    /// @inheritdoc IProviderRegistry
    function acceptChange(uint32 providerId, bytes32 field) external {
        Record storage record = _known(providerId);
        Change memory change = _proposed(record, providerId, field);
        if (msg.sender != change.value) revert ProviderRegistry_NotProposed(msg.sender);
        if (block.timestamp < change.effectiveAt) {
            revert ProviderRegistry_ChangeNotYetEffective(change.effectiveAt);
        }
        delete record.changes[field];
        if (field == FIELD_PAYOUT) {
            record.payout = change.value;
        } else if (field == FIELD_SIGNING_KEY) {
            record.signingKey = change.value;
        } else {
            record.admin = change.value;
            // What the old admin proposed must not outlive it.
            _cancel(record, providerId, FIELD_PAYOUT);
            _cancel(record, providerId, FIELD_SIGNING_KEY);
        }
        emit ChangeAccepted(providerId, field, change.value);
    }

    /// @inheritdoc IProviderRegistry
    function postBond(uint32 providerId, uint128 amountNano) external {
        Record storage record = _ownedByCaller(providerId);
        _checkNotRetired(record, providerId);
        _pullBond(record, providerId, amountNano);
    }

    /// @inheritdoc IProviderRegistry
    function returnBond(uint32 providerId) external {
        Record storage record = _ownedByCaller(providerId);
        if (record.status != ProviderStatus.Retired) {
            revert ProviderRegistry_WrongStatus(providerId, record.status);
        }
        if (block.timestamp < record.bondUnlocksAt) revert ProviderRegistry_BondLocked(record.bondUnlocksAt);
        uint128 bondNano = record.bondNano;
        record.bondNano = 0;
        emit BondReturned(providerId, msg.sender, bondNano);
        IERC20(token).safeTransfer(msg.sender, bondNano);
    }

    /// @inheritdoc IProviderRegistry
    function providerOf(uint32 providerId) external view returns (Provider memory) {
        Record storage record = _known(providerId);
        uint32 tariffVersion = record.tariffVersion;
        return Provider({
            admin: record.admin,
            payout: record.payout,
            signingKey: record.signingKey,
            status: record.status,
            tariffVersion: tariffVersion,
            tariffHash: record.tariffHashes[tariffVersion],
            bondNano: record.bondNano,
            metadataURI: record.metadataURI
        });
    }

    /// @inheritdoc IProviderRegistry
    function changeOf(uint32 providerId, bytes32 field)
        external
        view
        returns (address value, uint256 effectiveAt)
    {
        Change storage change = _records[providerId].changes[field];
        return (change.value, change.effectiveAt);
    }

    /// @inheritdoc IProviderRegistry
    function isActive(uint32 providerId) external view returns (bool) {
        return _records[providerId].status == ProviderStatus.Active;
    }

    /// @inheritdoc IProviderRegistry
    function payoutOf(uint32 providerId) external view returns (address) {
        return _records[providerId].payout;
    }

    /// @inheritdoc IProviderRegistry
    function tariffHashOf(uint32 providerId, uint32 tariffVersion) external view returns (bytes32) {
        return _records[providerId].tariffHashes[tariffVersion];
    }

    function _activate(uint32 providerId, ProviderStatus from) private {
        Record storage record = _known(providerId);
        if (record.status != from) revert ProviderRegistry_WrongStatus(providerId, record.status);
        _checkBond(record.bondNano);
        _setStatus(record, providerId, ProviderStatus.Active);
    }

    function _setStatus(Record storage record, uint32 providerId, ProviderStatus status) private {
        record.status = status;
        emit ProviderStatusChanged(providerId, status);
    }

    function _publishTariff(
        Record storage record,
        uint32 providerId,
        uint32 tariffVersion,
        bytes32 tariffHash
    ) private {
        uint32 expected = record.tariffVersion + 1;
        if (tariffVersion != expected) {
            revert ProviderRegistry_WrongTariffVersion(expected, tariffVersion);
        }
        if (tariffHash == 0) revert ProviderRegistry_ZeroTariffHash();
        record.tariffVersion = tariffVersion;
        record.tariffHashes[tariffVersion] = tariffHash;
        emit TariffPublished(providerId, tariffVersion, tariffHash);
    }

    function _cancel(Record storage record, uint32 providerId, bytes32 field) private {
        if (record.changes[field].value == address(0)) return;
        delete record.changes[field];
        emit ChangeCancelled(providerId, field);
    }

    function _pullBond(Record storage record, uint32 providerId, uint128 amountNano) private {
        record.bondNano += amountNano;
        emit BondPosted(providerId, amountNano);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amountNano);
    }

    function _known(uint32 providerId) private view returns (Record storage record) {
        record = _records[providerId];
        if (record.status == ProviderStatus.None) revert ProviderRegistry_UnknownProvider(providerId);
    }

    function _ownedByCaller(uint32 providerId) private view returns (Record storage record) {
        record = _known(providerId);
        if (msg.sender != record.admin) revert ProviderRegistry_NotAdmin(providerId, msg.sender);
    }

    function _proposed(Record storage record, uint32 providerId, bytes32 field)
        private
        view
        returns (Change memory change)
    {
        change = record.changes[field];
        if (change.value == address(0)) revert ProviderRegistry_NoChangeProposed(providerId, field);
    }

    function _checkNotRetired(Record storage record, uint32 providerId) private view {
        if (record.status == ProviderStatus.Retired) {
            revert ProviderRegistry_WrongStatus(providerId, record.status);
        }
    }

    function _checkBond(uint128 bondNano) private view {
        uint256 minimumNano = IParamGovernor(governor).param("minimumBondNano");
        if (bondNano < minimumNano) revert ProviderRegistry_BondBelowMinimum(minimumNano, bondNano);
    }
}
