// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

interface IProviderRegistry {
    enum ProviderStatus {
        None,
        Pending,
        Active,
        Suspended,
        Retired
    }

    struct Provider {
        address admin;
        address payout;
        /// @dev Signs usage reports (EIP-712).
        address signingKey;
        ProviderStatus status;
        uint32 tariffVersion;
        bytes32 tariffHash;
        uint128 bondNano;
        string metadataURI;
    }

    event ProviderRegistered(
        uint32 indexed providerId,
        address indexed admin,
        address payout,
        address signingKey,
        string metadataURI
    );
    event ProviderStatusChanged(uint32 indexed providerId, ProviderStatus status);
    event TariffPublished(
        uint32 indexed providerId, uint32 indexed tariffVersion, bytes32 indexed tariffHash
    );
    event MetadataChanged(uint32 indexed providerId, string metadataURI);
    event ChangeProposed(
        uint32 indexed providerId, bytes32 indexed field, address value, uint256 effectiveAt
    );
    event ChangeCancelled(uint32 indexed providerId, bytes32 indexed field);
    event ChangeAccepted(uint32 indexed providerId, bytes32 indexed field, address value);
    event BondPosted(uint32 indexed providerId, uint128 amountNano);
    event BondReturned(uint32 indexed providerId, address indexed to, uint128 amountNano);

    error ProviderRegistry_UnknownProvider(uint32 providerId);
    error ProviderRegistry_NotAdmin(uint32 providerId, address caller);
    error ProviderRegistry_NotGovernor(address caller);
    error ProviderRegistry_ZeroAddress();
    error ProviderRegistry_ZeroTariffHash();
    error ProviderRegistry_WrongStatus(uint32 providerId, ProviderStatus status);
    error ProviderRegistry_WrongTariffVersion(uint32 expected, uint32 actual);
    error ProviderRegistry_UnknownField(bytes32 field);
    error ProviderRegistry_NoChangeProposed(uint32 providerId, bytes32 field);
    error ProviderRegistry_ChangeNotYetEffective(uint256 effectiveAt);
    error ProviderRegistry_NotProposed(address caller);
    error ProviderRegistry_BondBelowMinimum(uint256 minimumNano, uint256 actualNano);
    error ProviderRegistry_BondLocked(uint256 until);

    function governor() external view returns (address);
    function token() external view returns (address);
    function providerCount() external view returns (uint32);
    function providerOf(uint32 providerId) external view returns (Provider memory);
    /// @notice What settlement needs, cheaply.
    function isActive(uint32 providerId) external view returns (bool);
    function payoutOf(uint32 providerId) external view returns (address);
    function tariffHashOf(uint32 providerId, uint32 tariffVersion) external view returns (bytes32);

    function changeOf(uint32 providerId, bytes32 field)
        external
        view
        returns (address value, uint256 effectiveAt);

    /// @notice Anyone may register; the caller becomes admin. Ids count from 1. Status is Pending until `approve`.
    function register(
        address payout,
        address signingKey,
        string calldata metadataURI,
        bytes32 tariffHash,
        uint128 bondNano
    ) external returns (uint32 providerId);
    function approve(uint32 providerId) external;
    function suspend(uint32 providerId) external;
    function reinstate(uint32 providerId) external;
    /// @notice Admin or governor; final. The bond can be taken back after the bond delay.
    function retire(uint32 providerId) external;
    function publishTariff(uint32 providerId, uint32 tariffVersion, bytes32 tariffHash) external;
    function setMetadataURI(uint32 providerId, string calldata metadataURI) external;
    /// @notice Two steps: the admin proposes, and after the delay the new address itself accepts.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    function proposeChange(uint32 providerId, bytes32 field, address value) external;
    function cancelChange(uint32 providerId, bytes32 field) external;
    function acceptChange(uint32 providerId, bytes32 field) external;
    function postBond(uint32 providerId, uint128 amountNano) external;
    function returnBond(uint32 providerId) external;
}
