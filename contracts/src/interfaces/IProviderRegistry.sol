// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IProviderRegistry
/// @notice Who provides, where it is paid, with which key it signs, and under which tariff.
///
/// Pending -> Active by the governor's approval, Active <-> Suspended by the governor, and any of them -> Retired by the
/// provider's admin or the governor, for good. Settlement pays active providers only.
///
/// Addresses change in two steps: the admin proposes, and after a delay the new address itself accepts, so that neither
/// a typing error nor a stolen admin key redirects money at once.
///
/// A bond is CreditToken, which comes back to the admin some time after retirement. It is a barrier to entry: nothing
/// slashes it.
/// @dev Assumes that the token is CreditToken: it has no fee on transfer and calls nobody back.
interface IProviderRegistry {
    enum ProviderStatus {
        None,
        Pending,
        Active,
        Suspended,
        Retired
    }

    struct Provider {
        /// @dev Proposes changes, publishes tariffs, posts and takes back the bond.
        address admin;
        /// @dev Where the treasury pays.
        address payout;
        /// @dev Signs usage reports (EIP-712).
        address signingKey;
        ProviderStatus status;
        /// @dev The last one published; earlier versions stay readable.
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
    /// @param effectiveAt Unix seconds from when the new address may accept.
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

    /// @notice Approves, suspends, reinstates and retires.
    function governor() external view returns (address);
    /// @notice CreditToken, in which bonds are posted.
    function token() external view returns (address);
    /// @notice Ids run from 1 to this number.
    function providerCount() external view returns (uint32);
    /// @notice Reverts for an unknown provider.
    function providerOf(uint32 providerId) external view returns (Provider memory);
    /// @notice What settlement needs, cheaply; false for an unknown provider.
    function isActive(uint32 providerId) external view returns (bool);
    /// @notice Zero for an unknown provider.
    function payoutOf(uint32 providerId) external view returns (address);
    /// @notice Canonical hash of a published tariff document; zero for a version never published.
    function tariffHashOf(uint32 providerId, uint32 tariffVersion) external view returns (bytes32);

    /// @notice The change proposed for `field` and not yet accepted; zeros if there is none.
    function changeOf(uint32 providerId, bytes32 field)
        external
        view
        returns (address value, uint256 effectiveAt);

    /// @notice Anyone may register; the caller becomes admin. Ids count from 1. Status is Pending until `approve`.
    /// @param tariffHash becomes version 1; not zero.
    /// @param bondNano at least minimumBondNano, pulled from the caller, who must have approved it.
    function register(
        address payout,
        address signingKey,
        string calldata metadataURI,
        bytes32 tariffHash,
        uint128 bondNano
    ) external returns (uint32 providerId);
    /// @notice Governor only; the bond must meet the minimum of this moment.
    function approve(uint32 providerId) external;
    /// @notice Governor only.
    /// @dev Warning: lines settled while suspended pay nothing, also for calls served before.
    function suspend(uint32 providerId) external;
    /// @notice Governor only; the bond must meet the minimum of this moment.
    function reinstate(uint32 providerId) external;
    /// @notice Admin or governor; final. The bond can be taken back after bondDelaySeconds, as they are now.
    /// @dev Warning: usage that is not settled yet pays nothing any more. What was settled is still paid out.
    function retire(uint32 providerId) external;
    /// @notice Admin only. Versions are consecutive; a published one never changes.
    function publishTariff(uint32 providerId, uint32 tariffVersion, bytes32 tariffHash) external;
    /// @notice Admin only.
    function setMetadataURI(uint32 providerId, string calldata metadataURI) external;
    /// @notice Two steps: the admin proposes, and after the delay the new address itself accepts. Proposing again
    /// replaces the proposal and starts the delay anew. Open to retired providers too, which may still be owed money.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    function proposeChange(uint32 providerId, bytes32 field, address value) external;
    /// @notice Admin only.
    function cancelChange(uint32 providerId, bytes32 field) external;
    /// @notice The proposed address only. A new admin drops what the old one had proposed for the other fields.
    function acceptChange(uint32 providerId, bytes32 field) external;
    /// @notice Admin only; adds to the bond.
    function postBond(uint32 providerId, uint128 amountNano) external;
    /// @notice Admin only, once retired and the delay has passed.
    function returnBond(uint32 providerId) external;
}
