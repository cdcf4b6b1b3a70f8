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
/// Assumptions about the others:
/// - `block.timestamp` never goes back and is right to a few seconds; a batch's window is compared with revocations in
///   milliseconds, on the aggregators' clocks, which may be fifteen seconds ahead of the chain's;
/// - the authority verifies a capability only if its tenant signed it, and never changes a date of revocation;
/// - the treasury charges only what t of n aggregators signed; nothing it asks can take more than a lock holds;
/// - the channels pull only from their own caller;
/// - the governor's pause is bounded, and its grace period exceeds the time from a call to its settlement.
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
        /// @dev Never locked.
        None,
        /// @dev Pays what the treasury charges.
        Open,
        /// @dev Closed by a final line or by `release`; what was left is back with the tenant.
        Closed
    }

    struct Lock {
        /// @dev To whom the rest goes back.
        address tenant;
        /// @dev What was locked.
        uint64 maxSpendNano;
        /// @dev Zero once closed.
        uint64 remainingNano;
        /// @dev Unix seconds.
        uint40 expiresAt;
        /// @dev Unix seconds; zero while not revoked.
        uint40 revokedAt;
        /// @dev Unix seconds; the capability's, which `revokeAll` compares with.
        uint40 validAfter;
        /// @dev Open once, then Closed for good.
        LockState state;
    }

    /// @dev What the treasury asks the vault to take from one lock.
    struct Charge {
        /// @dev Whose lock.
        bytes32 jobId;
        /// @dev What the line is due, after the treasury's bounds.
        uint64 amountNano;
        /// @dev Closes the lock and returns what remains, whatever was paid.
        bool isFinal;
    }

    /// @dev What the vault did: status is Paid, PaidInPart, UnknownJob, LockClosed, LockExhausted or Revoked.
    struct Charged {
        /// @dev What went from the lock to the treasury's account.
        uint64 paidNano;
        /// @dev What went back to the tenant; zero unless the charge was final.
        uint64 releasedNano;
        /// @dev Why it paid what it paid.
        LineStatus status;
    }

    /// @notice Settlement assets came in, and as much CreditToken was minted.
    /// @param payer Who paid the assets.
    /// @param tenant Whose account was credited.
    /// @param assets Units of the settlement asset.
    /// @param amountNano Nanocredits.
    event Deposited(address indexed payer, address indexed tenant, uint256 assets, uint128 amountNano);
    /// @notice CreditToken came in.
    /// @param payer Who paid the tokens.
    /// @param tenant Whose account was credited.
    /// @param amountNano Nanocredits.
    event CreditDeposited(address indexed payer, address indexed tenant, uint128 amountNano);
    /// @notice Free credit was burnt and paid out in the settlement asset.
    /// @param tenant Whose account was debited.
    /// @param to Who received the assets.
    /// @param assets Units of the settlement asset.
    /// @param amountNano Nanocredits.
    event Withdrawn(address indexed tenant, address indexed to, uint256 assets, uint128 amountNano);
    /// @notice Free credit was paid out as CreditToken.
    /// @param tenant Whose account was debited.
    /// @param to Who received the tokens.
    /// @param amountNano Nanocredits.
    event CreditWithdrawn(address indexed tenant, address indexed to, uint128 amountNano);
    /// @notice CreditToken in somebody's own hands was burnt against the settlement asset.
    /// @dev No account changes: the tokens were outside the vault.
    /// @param holder Whose tokens were burnt.
    /// @param to Who received the assets.
    /// @param assets Units of the settlement asset.
    /// @param amountNano Nanocredits.
    event Redeemed(address indexed holder, address indexed to, uint256 assets, uint256 amountNano);
    /// @notice Free credit changed accounts.
    /// @dev Emitted by `moveCredit` and by `pullForChannel`.
    /// @param from The account debited.
    /// @param to The account credited.
    /// @param amountNano Nanocredits.
    event CreditMoved(address indexed from, address indexed to, uint128 amountNano);
    /// @notice Free credit of the tenant became the lock of a job.
    /// @param jobId The job.
    /// @param tenant The account that owns the credit.
    /// @param capabilityHash EIP-712 digest of the capability.
    /// @param quoteHash EIP-712 digest of the quote the tenant accepted.
    /// @param holder RFC 7638 SHA-256 thumbprint of the key that may use the job.
    /// @param maxSpendNano Nanocredits locked.
    /// @param validAfter Unix seconds.
    /// @param expiresAt Unix seconds.
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
    /// @notice The lock learnt of a revocation, or of an earlier one than it knew.
    /// @param jobId The job.
    /// @param revokedAt Unix seconds since when it is revoked; not the time of this event.
    event LockRevoked(bytes32 indexed jobId, uint40 revokedAt);
    /// @notice A lock was closed, and what was left went back to its tenant.
    /// @dev Emitted by `release` only; a final line's release is in the treasury's LineSettled.
    /// @param jobId The job.
    /// @param tenant The account that owns the credit.
    /// @param releasedNano Nanocredits that went back to the tenant.
    event Released(bytes32 indexed jobId, address indexed tenant, uint64 releasedNano);

    /// @notice An address is missing.
    error CreditVault_ZeroAddress();
    /// @notice The vault itself, where the money would be out of everybody's reach.
    /// @param recipient The vault.
    error CreditVault_InvalidRecipient(address recipient);
    /// @notice Constructor only: a unit of the asset would be less than a nanocredit.
    /// @param decimals The asset's.
    error CreditVault_TooManyDecimals(uint8 decimals);
    /// @notice Nothing would move.
    error CreditVault_ZeroAmount();
    /// @notice The account has less free credit.
    /// @param tenant The account.
    /// @param balanceNano Its free nanocredits.
    /// @param amountNano Nanocredits asked for.
    error CreditVault_InsufficientBalance(address tenant, uint256 balanceNano, uint256 amountNano);
    /// @notice Only whole units of the asset can be paid out. Round down, or take CreditToken.
    /// @param amountNano Nanocredits.
    error CreditVault_NotAssetMultiple(uint256 amountNano);
    /// @notice `amountNano` is in units of the asset here: so many do not fit an account.
    /// @param amountNano Units of the asset.
    error CreditVault_AmountTooLarge(uint256 amountNano);
    /// @notice The job has, or had, its lock.
    /// @param jobId The job.
    error CreditVault_JobAlreadyLocked(bytes32 jobId);
    /// @notice The job was never locked.
    /// @param jobId The job.
    error CreditVault_UnknownJob(bytes32 jobId);
    /// @notice The lock was closed before.
    /// @param jobId The job.
    error CreditVault_LockClosed(bytes32 jobId);
    /// @notice The grace period is still running.
    /// @param jobId The job.
    /// @param releasableAt Unix seconds.
    error CreditVault_NotYetReleasable(bytes32 jobId, uint256 releasableAt);
    /// @notice Only the treasury charges locks.
    /// @param caller Who called.
    error CreditVault_NotTreasury(address caller);
    /// @notice Only SessionChannels pulls credit into channels.
    /// @param caller Who called.
    error CreditVault_NotChannels(address caller);
    /// @notice The guardian paused deposits, locks and settlement.
    error CreditVault_Paused();
    /// @notice The asset kept a part of the transfer.
    /// @param expected Units sent.
    /// @param received Units that arrived.
    error CreditVault_AssetShortfall(uint256 expected, uint256 received);

    /// @notice The settlement asset.
    function asset() external view returns (address);
    /// @notice The CreditToken.
    function token() external view returns (address);
    /// @notice The CapabilityAuthority, which verifies what `lock` is given.
    function authority() external view returns (address);
    /// @notice The SettlementTreasury, which alone charges.
    function treasury() external view returns (address);
    /// @notice The SessionChannels, which alone pull.
    function channels() external view returns (address);
    /// @notice The ParamGovernor: pause and grace period.
    function governor() external view returns (address);

    /// @notice Nanocredits in one unit of the settlement asset: 1,000 for six decimals.
    function nanoPerAssetUnit() external view returns (uint256);

    /// @notice Free credit of an account; locked credit is not in it.
    /// @param tenant Any account, the treasury's and the channels' included.
    /// @return freeNano Nanocredits.
    function balanceOf(address tenant) external view returns (uint128 freeNano);

    /// @notice The job's lock; all zero when there never was one. A closed lock stays on record.
    /// @param jobId The job.
    function lockOf(bytes32 jobId) external view returns (Lock memory);

    /// @notice Takes `assets` from the caller, mints as much CreditToken into the vault, and credits the tenant.
    /// @dev Reverts: Paused, ZeroAmount, ZeroAddress, InvalidRecipient, AmountTooLarge, AssetShortfall, the asset's own.
    /// @param assets Units of the settlement asset.
    /// @param tenant Whose account is credited; need not be the caller.
    /// @return amountNano What was credited: `assets` times `nanoPerAssetUnit`.
    function deposit(uint256 assets, address tenant) external returns (uint128 amountNano);

    /// @notice As `deposit`, with the caller's ERC-2612 permit for `assets` instead of an earlier approval.
    /// @dev Warning: a permit that fails is passed over, because anyone can submit it first. The deposit then succeeds
    /// when the allowance is there all the same, and reverts with the asset's error when it is not.
    /// @param assets Units of the settlement asset.
    /// @param tenant Whose account is credited; need not be the caller.
    /// @param deadline The permit's, in Unix seconds.
    /// @param v Of the permit's signature.
    /// @param r Of the permit's signature.
    /// @param s Of the permit's signature.
    /// @return amountNano As for `deposit`.
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
    /// @param amountNano Nanocredits.
    /// @param tenant Whose account is credited; need not be the caller.
    function depositCredit(uint128 amountNano, address tenant) external;

    /// @notice Burns free credit of the caller and pays the settlement asset to `to`.
    /// @dev Reverts: ZeroAmount, NotAssetMultiple, ZeroAddress, InvalidRecipient, InsufficientBalance, the asset's own.
    /// @param amountNano A multiple of `nanoPerAssetUnit`.
    /// @param to Who receives the assets; not the vault.
    /// @return assets Units paid.
    function withdraw(uint128 amountNano, address to) external returns (uint256 assets);

    /// @notice Pays free credit of the caller out as CreditToken, to the nanocredit and without touching the asset.
    /// @dev Reverts: ZeroAmount, ZeroAddress, InvalidRecipient, InsufficientBalance.
    /// @param amountNano Nanocredits.
    /// @param to Who receives the tokens; not the vault.
    function withdrawCredit(uint128 amountNano, address to) external;

    /// @notice Burns the caller's CreditToken against the settlement asset.
    /// @dev Reverts: ZeroAmount, NotAssetMultiple, ZeroAddress, InvalidRecipient, the token's and the asset's own.
    /// @param amountNano A multiple of `nanoPerAssetUnit`.
    /// @param to Who receives the assets; not the vault.
    /// @return assets Units paid.
    function redeem(uint256 amountNano, address to) external returns (uint256 assets);

    /// @notice Moves free credit of the caller to another account of the vault.
    /// @dev Reverts: ZeroAddress, InvalidRecipient, ZeroAmount, InsufficientBalance.
    /// @param to The account credited; not the vault.
    /// @param amountNano Nanocredits.
    function moveCredit(address to, uint128 amountNano) external;

    /// @notice Moves `maxSpendNano` from the tenant's free credit into the job's lock. Anyone may submit; the tenant's
    /// signature decides. A job is locked once, ever: not again after it was closed.
    /// @dev Reverts: Paused, JobAlreadyLocked, InsufficientBalance, and CapabilityAuthority's errors as they are.
    /// @dev Warning: whoever holds a signed capability chooses when to lock within its window. A tenant that changed its
    /// mind revokes.
    /// @param capability What the tenant signed.
    /// @param signature The tenant's, on the capability's digest.
    /// @return capabilityHash The digest.
    function lock(Capability calldata capability, bytes calldata signature)
        external
        returns (bytes32 capabilityHash);

    /// @notice Returns what is left in a lock to its tenant and closes it, by anyone, once the grace period of the
    /// governor ("graceSeconds") has passed since the lock's expiry or, if that was earlier, since its revocation.
    /// @dev Reverts: UnknownJob, LockClosed, NotYetReleasable.
    /// @dev Warning: usage not settled by then is never paid. The grace period must exceed the time aggregators need.
    /// @dev Warning: a `revokeAll` counts only once `applyRevocation` has brought it into the lock.
    /// @param jobId The job.
    /// @return releasedNano Nanocredits that went back to the tenant.
    function release(bytes32 jobId) external returns (uint64 releasedNano);

    /// @notice Writes what CapabilityAuthority says about revocation into locks; anyone may call.
    /// @dev Unknown and closed jobs are skipped, and so are locks that already say so.
    /// @param jobIds Any jobs, in any order; each costs one call to the authority.
    function applyRevocation(bytes32[] calldata jobIds) external;

    /// @notice Treasury only: takes each amount from its lock and credits the sum to the treasury's account. One result
    /// per charge, in their order; a charge that cannot be paid gets a status and never reverts the others.
    /// @dev In this order: no lock: UnknownJob. Closed: LockClosed. Revoked, and the governor's grace ("graceSeconds")
    /// has passed since by `windowStart`: Revoked, pays nothing. Enough left: Paid. Nothing left: LockExhausted. Else
    /// PaidInPart, and the lock is empty. A final charge on an open lock closes it and returns the rest to the tenant,
    /// whatever its status.
    /// @dev An expired lock pays until it is released: usage before expiry may settle after it. A revoked lock pays for
    /// windows that begin within the grace after its revocation; `release` waits as long, or for the grace of an earlier
    /// expiry.
    /// @dev Reverts as a whole: NotTreasury, Paused.
    /// @dev Warning: the vault knows windows, not calls. That a call of a revoked job came before the revocation is for
    /// the aggregators to see; within the grace the vault believes them, as it does before the revocation.
    /// @param charges In the order in which they are to be charged.
    /// @param windowStart The batch's, in Unix milliseconds.
    function charge(Charge[] calldata charges, uint64 windowStart) external returns (Charged[] memory);

    /// @notice Channels only: moves free credit of `tenant` to the channels' account.
    /// @dev Reverts: NotChannels, ZeroAmount, InsufficientBalance.
    /// @dev Warning: asks nobody else. SessionChannels must pass its own caller as `tenant`, and no other address.
    /// @param tenant Whose free credit moves.
    /// @param amountNano Nanocredits.
    function pullForChannel(address tenant, uint128 amountNano) external;
}
