// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Capability} from "../types/Capability.sol";
import {LineStatus} from "../types/Line.sol";

/// @title ICreditVault
/// @notice Holds the settlement asset and the CreditToken minted against it, and keeps who owns how much: free in an
/// account, or locked for one job. Amounts are nanocredits unless they are called assets.
///
/// Assumptions about the settlement asset, on which conservation rests:
/// - its `decimals()` is at most nine and never changes;
/// - a transfer of x lowers the sender's balance by exactly x (what arrives is checked: a fee on transfer reverts);
/// - balances change by transfers only: it does not rebase, and nobody can take assets out of the vault;
/// - a transfer that fails reverts or returns false; returning nothing counts as success;
/// - it is worth one US dollar a unit; the vault has no price feed;
/// - it may call back (ERC-777): every function that moves it is guarded, and state changes precede payouts;
/// - it may blocklist: a blocked tenant withdraws to another address, or takes CreditToken instead.
///
/// Who may do what: a tenant moves its own free credit; anyone locks with the tenant's signature, releases what is due,
/// and applies revocations; the treasury takes from locks; channels take free credit that their own caller owns.
/// The governor's pause stops deposits, `lock` and `charge`, and nothing by which a tenant gets its money back.
///
/// @dev Balances can be rebuilt from logs: free accounts from Deposited, CreditDeposited, Withdrawn, CreditWithdrawn,
/// CreditMoved, Locked and Released, and the treasury's LineSettled, whose paidNano goes from the lock to the treasury's
/// account and whose releasedNano goes from the lock to the tenant's.
/// @dev Warning: the treasury's and the channels' accounts are ordinary accounts. Credit deposited or moved to them by
/// mistake is theirs, and neither gives it back.
interface ICreditVault {
    enum LockState {
        None,
        Open,
        /// @dev Closed by a final line or by `release`; what was left is back with the tenant.
        Closed
    }

    struct Lock {
        address tenant;
        uint64 maxSpendNano;
        /// @dev Zero once closed.
        uint64 remainingNano;
        /// @dev Unix seconds.
        uint40 expiresAt;
        /// @dev Unix seconds; zero while not revoked.
        uint40 revokedAt;
        /// @dev Unix seconds; the capability's, which `revokeAll` compares with.
        uint40 validAfter;
        LockState state;
    }

    /// @dev What the treasury asks the vault to take from one lock.
    struct Charge {
        bytes32 jobId;
        uint64 amountNano;
        /// @dev Closes the lock and returns what remains, whatever was paid.
        bool isFinal;
    }

    /// @dev What the vault did: status is Paid, PaidInPart, UnknownJob, LockClosed, LockExhausted or Revoked.
    struct Charged {
        uint64 paidNano;
        uint64 releasedNano;
        LineStatus status;
    }

    event Deposited(address indexed payer, address indexed tenant, uint256 assets, uint128 amountNano);
    event CreditDeposited(address indexed payer, address indexed tenant, uint128 amountNano);
    event Withdrawn(address indexed tenant, address indexed to, uint256 assets, uint128 amountNano);
    event CreditWithdrawn(address indexed tenant, address indexed to, uint128 amountNano);
    /// @dev No account changes: the tokens were outside the vault.
    event Redeemed(address indexed holder, address indexed to, uint256 assets, uint256 amountNano);
    /// @dev Emitted by `moveCredit` and by `pullForChannel`.
    event CreditMoved(address indexed from, address indexed to, uint128 amountNano);
    event Locked(
        bytes32 indexed jobId,
        address indexed tenant,
        bytes32 indexed capabilityHash,
        bytes32 quoteHash,
        bytes32 holder,
        uint64 maxSpendNano,
        uint64 validAfter,
        uint64 expiresAt
    );
    event LockRevoked(bytes32 indexed jobId, uint40 revokedAt);
    /// @dev Emitted by `release` only; a final line's release is in the treasury's LineSettled.
    event Released(bytes32 indexed jobId, address indexed tenant, uint64 releasedNano);

    error CreditVault_ZeroAddress();
    /// @dev The vault itself, where the money would be out of everybody's reach.
    error CreditVault_InvalidRecipient(address recipient);
    /// @dev Constructor only: a unit of the asset would be less than a nanocredit.
    error CreditVault_TooManyDecimals(uint8 decimals);
    error CreditVault_ZeroAmount();
    error CreditVault_InsufficientBalance(address tenant, uint256 balanceNano, uint256 amountNano);
    /// @dev Only whole units of the asset can be paid out. Round down, or take CreditToken.
    error CreditVault_NotAssetMultiple(uint256 amountNano);
    /// @dev `amountNano` is in units of the asset here: so many do not fit an account.
    error CreditVault_AmountTooLarge(uint256 amountNano);
    error CreditVault_JobAlreadyLocked(bytes32 jobId);
    error CreditVault_UnknownJob(bytes32 jobId);
    error CreditVault_LockClosed(bytes32 jobId);
    error CreditVault_NotYetReleasable(bytes32 jobId, uint256 releasableAt);
    error CreditVault_NotTreasury(address caller);
    error CreditVault_NotChannels(address caller);
    error CreditVault_Paused();
    error CreditVault_AssetShortfall(uint256 expected, uint256 received);

    function asset() external view returns (address);
    function token() external view returns (address);
    function authority() external view returns (address);
    function treasury() external view returns (address);
    function channels() external view returns (address);
    function governor() external view returns (address);

    /// @notice Nanocredits in one unit of the settlement asset: 1,000 for six decimals.
    function nanoPerAssetUnit() external view returns (uint256);

    /// @notice Free credit of an account; locked credit is not in it.
    function balanceOf(address tenant) external view returns (uint128 freeNano);

    /// @notice The job's lock; all zero when there never was one. A closed lock stays on record.
    function lockOf(bytes32 jobId) external view returns (Lock memory);

    /// @notice Takes `assets` from the caller, mints as much CreditToken into the vault, and credits the tenant.
    /// @dev Reverts: Paused, ZeroAmount, ZeroAddress, InvalidRecipient, AmountTooLarge, AssetShortfall, the asset's own.
    /// @param assets Units of the settlement asset.
    /// @param tenant Whose account is credited; need not be the caller.
    function deposit(uint256 assets, address tenant) external returns (uint128 amountNano);

    /// @notice As `deposit`, with the caller's ERC-2612 permit for `assets` instead of an earlier approval.
    /// @dev Warning: a permit that fails is passed over, because anyone can submit it first. The deposit then succeeds
    /// when the allowance is there all the same, and reverts with the asset's error when it is not.
    function depositWithPermit(
        uint256 assets,
        address tenant,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (uint128 amountNano);

    /// @notice Takes CreditToken from the caller, by allowance, and credits the tenant.
    /// @dev Reverts: Paused, ZeroAmount, ZeroAddress, InvalidRecipient, the token's own.
    function depositCredit(uint128 amountNano, address tenant) external;

    /// @notice Burns free credit of the caller and pays the settlement asset to `to`.
    /// @dev Reverts: ZeroAmount, NotAssetMultiple, ZeroAddress, InvalidRecipient, InsufficientBalance, the asset's own.
    function withdraw(uint128 amountNano, address to) external returns (uint256 assets);

    /// @notice Pays free credit of the caller out as CreditToken, to the nanocredit and without touching the asset.
    /// @dev Reverts: ZeroAmount, ZeroAddress, InvalidRecipient, InsufficientBalance.
    function withdrawCredit(uint128 amountNano, address to) external;

    /// @notice Burns the caller's CreditToken against the settlement asset.
    /// @dev Reverts: ZeroAmount, NotAssetMultiple, ZeroAddress, InvalidRecipient, the token's and the asset's own.
    function redeem(uint256 amountNano, address to) external returns (uint256 assets);

    /// @notice Moves free credit of the caller to another account of the vault.
    /// @dev Reverts: ZeroAddress, InvalidRecipient, ZeroAmount, InsufficientBalance.
    function moveCredit(address to, uint128 amountNano) external;

    /// @notice Moves `maxSpendNano` from the tenant's free credit into the job's lock. Anyone may submit; the tenant's
    /// signature decides. A job is locked once, ever: not again after it was closed.
    /// @dev Reverts: Paused, JobAlreadyLocked, InsufficientBalance, and CapabilityAuthority's errors as they are.
    /// @dev Warning: whoever holds a signed capability chooses when to lock within its window. A tenant that changed its
    /// mind revokes.
    function lock(Capability calldata capability, bytes calldata signature)
        external
        returns (bytes32 capabilityHash);

    /// @notice Returns what is left in a lock to its tenant and closes it, by anyone, once the grace period of the
    /// governor ("graceSeconds") has passed since the lock's expiry or, if that was earlier, since its revocation.
    /// @dev Reverts: UnknownJob, LockClosed, NotYetReleasable.
    /// @dev Warning: usage not settled by then is never paid. The grace period must exceed the time aggregators need.
    /// @dev Warning: a `revokeAll` counts only once `applyRevocation` has brought it into the lock.
    function release(bytes32 jobId) external returns (uint64 releasedNano);

    /// @notice Writes what CapabilityAuthority says about revocation into locks; anyone may call.
    /// @dev Unknown and closed jobs are skipped, and so are locks that already say so.
    function applyRevocation(bytes32[] calldata jobIds) external;

    /// @notice Treasury only: takes each amount from its lock and credits the sum to the treasury's account. One result
    /// per charge, in their order; a charge that cannot be paid gets a status and never reverts the others.
    /// @dev In this order: no lock: UnknownJob. Closed: LockClosed. Revoked at or before `windowStart`: Revoked, pays
    /// nothing. Enough left: Paid. Nothing left: LockExhausted. Else PaidInPart, and the lock is empty. A final charge
    /// on an open lock closes it and returns the rest to the tenant, whatever its status.
    /// @dev An expired lock pays until it is released: usage before expiry may settle after it.
    /// @dev Reverts as a whole: NotTreasury, Paused.
    /// @dev Warning: calls of a revoked job that fall in the window in which the revocation fell are still paid; the
    /// shorter the windows, the fewer.
    /// @param windowStart The batch's, in Unix milliseconds.
    function charge(Charge[] calldata charges, uint64 windowStart) external returns (Charged[] memory);

    /// @notice Channels only: moves free credit of `tenant` to the channels' account.
    /// @dev Reverts: NotChannels, ZeroAmount, InsufficientBalance.
    /// @dev Warning: asks nobody else. SessionChannels must pass its own caller as `tenant`, and no other address.
    function pullForChannel(address tenant, uint128 amountNano) external;
}
