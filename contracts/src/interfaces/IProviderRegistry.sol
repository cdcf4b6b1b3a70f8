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
/// Assumptions:
/// - the token is CreditToken: it has no fee on transfer and calls nobody back;
/// - the governor approves a provider only after looking at it, for registration is open to all;
/// - a tariff's hash stands for a document that anyone can get: the chain sees the hash alone;
/// - `block.timestamp` never goes back: the delays of changes and bonds are counted on it.
interface IProviderRegistry {
    enum ProviderStatus {
        /// @dev Not registered.
        None,
        /// @dev Registered, not approved.
        Pending,
        /// @dev Its lines are paid.
        Active,
        /// @dev Its lines pay nothing until it is reinstated.
        Suspended,
        /// @dev Its lines pay nothing any more.
        Retired
    }

    struct Provider {
        /// @dev Proposes changes, publishes tariffs, posts and takes back the bond.
        address admin;
        /// @dev Where the treasury pays.
        address payout;
        /// @dev Signs usage reports (EIP-712).
        address signingKey;
        /// @dev Decides whether its lines are paid.
        ProviderStatus status;
        /// @dev The last one published; earlier versions stay readable.
        uint32 tariffVersion;
        /// @dev Canonical hash of that version.
        bytes32 tariffHash;
        /// @dev What it posted and has not taken back.
        uint128 bondNano;
        /// @dev Where it describes itself; not checked.
        string metadataURI;
    }

    /// @notice A provider registered and waits for approval.
    /// @param providerId The provider.
    /// @param admin Who registered.
    /// @param payout Where the treasury pays.
    /// @param signingKey Signs usage reports.
    /// @param metadataURI Where the provider describes itself.
    event ProviderRegistered(
        uint32 indexed providerId,
        address indexed admin,
        address payout,
        address signingKey,
        string metadataURI
    );
    /// @notice A provider entered a status.
    /// @param providerId The provider.
    /// @param status The new one.
    event ProviderStatusChanged(uint32 indexed providerId, ProviderStatus status);
    /// @notice A tariff document is fixed under its version.
    /// @param providerId The provider.
    /// @param tariffVersion Consecutive for each provider, from 1.
    /// @param tariffHash Canonical hash of the tariff document.
    event TariffPublished(
        uint32 indexed providerId, uint32 indexed tariffVersion, bytes32 indexed tariffHash
    );
    /// @notice The provider describes itself elsewhere.
    /// @param providerId The provider.
    /// @param metadataURI Where the provider describes itself.
    event MetadataChanged(uint32 indexed providerId, string metadataURI);
    /// @notice An address is to change; a proposal before it for the same field is void.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    /// @param value The new address, which has to accept.
    /// @param effectiveAt Unix seconds from when the new address may accept.
    event ChangeProposed(
        uint32 indexed providerId, bytes32 indexed field, address value, uint256 effectiveAt
    );
    /// @notice A proposal is void.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    event ChangeCancelled(uint32 indexed providerId, bytes32 indexed field);
    /// @notice An address changed.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    /// @param value The new address.
    event ChangeAccepted(uint32 indexed providerId, bytes32 indexed field, address value);
    /// @notice Bond was pulled from the caller.
    /// @param providerId The provider.
    /// @param amountNano Nanocredits.
    event BondPosted(uint32 indexed providerId, uint128 amountNano);
    /// @notice The whole bond went back.
    /// @param providerId The provider.
    /// @param to The admin.
    /// @param amountNano Nanocredits.
    event BondReturned(uint32 indexed providerId, address indexed to, uint128 amountNano);

    /// @notice No such provider.
    /// @param providerId The provider.
    error ProviderRegistry_UnknownProvider(uint32 providerId);
    /// @notice Only the provider's admin may.
    /// @param providerId The provider.
    /// @param caller Who called.
    error ProviderRegistry_NotAdmin(uint32 providerId, address caller);
    /// @notice Only the governor may.
    /// @param caller Who called.
    error ProviderRegistry_NotGovernor(address caller);
    /// @notice An address is missing.
    error ProviderRegistry_ZeroAddress();
    /// @notice A tariff's hash is missing.
    error ProviderRegistry_ZeroTariffHash();
    /// @notice The provider's status does not allow it.
    /// @param providerId The provider.
    /// @param status The status it has.
    error ProviderRegistry_WrongStatus(uint32 providerId, ProviderStatus status);
    /// @notice Versions are consecutive.
    /// @param expected The next version.
    /// @param actual What was given.
    error ProviderRegistry_WrongTariffVersion(uint32 expected, uint32 actual);
    /// @notice No such field.
    /// @param field What was given.
    error ProviderRegistry_UnknownField(bytes32 field);
    /// @notice There is no proposal for the field.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    error ProviderRegistry_NoChangeProposed(uint32 providerId, bytes32 field);
    /// @notice The delay is still running.
    /// @param effectiveAt Unix seconds from when it may be accepted.
    error ProviderRegistry_ChangeNotYetEffective(uint256 effectiveAt);
    /// @notice Only the proposed address accepts.
    /// @param caller Who called.
    error ProviderRegistry_NotProposed(address caller);
    /// @notice The bond is smaller than minimumBondNano.
    /// @param minimumNano minimumBondNano.
    /// @param actualNano The bond, in nanocredits.
    error ProviderRegistry_BondBelowMinimum(uint256 minimumNano, uint256 actualNano);
    /// @notice The delay after retirement is still running.
    /// @param until Unix seconds.
    error ProviderRegistry_BondLocked(uint256 until);

    /// @notice Approves, suspends, reinstates and retires.
    function governor() external view returns (address);
    /// @notice CreditToken, in which bonds are posted.
    function token() external view returns (address);
    /// @notice Ids run from 1 to this number.
    function providerCount() external view returns (uint32);
    /// @notice Reverts for an unknown provider.
    /// @param providerId The provider.
    function providerOf(uint32 providerId) external view returns (Provider memory);
    /// @notice What settlement needs, cheaply; false for an unknown provider.
    /// @param providerId The provider.
    function isActive(uint32 providerId) external view returns (bool);
    /// @notice Zero for an unknown provider.
    /// @param providerId The provider.
    function payoutOf(uint32 providerId) external view returns (address);
    /// @notice Canonical hash of a published tariff document; zero for a version never published.
    /// @param providerId The provider.
    /// @param tariffVersion Consecutive for each provider, from 1.
    function tariffHashOf(uint32 providerId, uint32 tariffVersion) external view returns (bytes32);

    /// @notice The change proposed for `field` and not yet accepted; zeros if there is none.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    /// @return value The proposed address.
    /// @return effectiveAt Unix seconds from when it may accept.
    function changeOf(uint32 providerId, bytes32 field)
        external
        view
        returns (address value, uint256 effectiveAt);

    /// @notice Anyone may register; the caller becomes admin. Ids count from 1. Status is Pending until `approve`.
    /// @param payout Where the treasury pays; not zero.
    /// @param signingKey Signs usage reports; not zero.
    /// @param metadataURI Where the provider describes itself.
    /// @param tariffHash becomes version 1; not zero.
    /// @param bondNano at least minimumBondNano, pulled from the caller, who must have approved it.
    /// @return providerId The new id.
    function register(
        address payout,
        address signingKey,
        string calldata metadataURI,
        bytes32 tariffHash,
        uint128 bondNano
    ) external returns (uint32 providerId);
    /// @notice Governor only; the bond must meet the minimum of this moment.
    /// @param providerId A pending provider.
    function approve(uint32 providerId) external;
    /// @notice Governor only.
    /// @dev Warning: lines settled while suspended pay nothing, also for calls served before.
    /// @param providerId An active provider.
    function suspend(uint32 providerId) external;
    /// @notice Governor only; the bond must meet the minimum of this moment.
    /// @param providerId A suspended provider.
    function reinstate(uint32 providerId) external;
    /// @notice Admin or governor; final. The bond can be taken back after bondDelaySeconds, as they are now.
    /// @dev Warning: usage that is not settled yet pays nothing any more. What was settled is still paid out.
    /// @param providerId Any provider that is not retired.
    function retire(uint32 providerId) external;
    /// @notice Admin only. Versions are consecutive; a published one never changes.
    /// @param providerId The provider.
    /// @param tariffVersion The next version.
    /// @param tariffHash Canonical hash of the document; not zero.
    function publishTariff(uint32 providerId, uint32 tariffVersion, bytes32 tariffHash) external;
    /// @notice Admin only.
    /// @param providerId The provider.
    /// @param metadataURI Where the provider describes itself.
    function setMetadataURI(uint32 providerId, string calldata metadataURI) external;
    /// @notice Two steps: the admin proposes, and after the delay the new address itself accepts. Proposing again
    /// replaces the proposal and starts the delay anew. Open to retired providers too, which may still be owed money.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    /// @param value The new address; not zero.
    function proposeChange(uint32 providerId, bytes32 field, address value) external;
    /// @notice Admin only.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    function cancelChange(uint32 providerId, bytes32 field) external;
    /// @notice The proposed address only. A new admin drops what the old one had proposed for the other fields.
    /// @param providerId The provider.
    /// @param field "payout", "signingKey" or "admin", left-aligned bytes32.
    function acceptChange(uint32 providerId, bytes32 field) external;
    /// @notice Admin only; adds to the bond.
    /// @param providerId The provider.
    /// @param amountNano Nanocredits.
    function postBond(uint32 providerId, uint128 amountNano) external;
    /// @notice Admin only, once retired and the delay has passed.
    /// @param providerId The provider.
    function returnBond(uint32 providerId) external;
}
