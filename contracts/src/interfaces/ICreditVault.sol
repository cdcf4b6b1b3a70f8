// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Capability} from "../types/Capability.sol";
import {Line, LineStatus} from "../types/Line.sol";

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
    event Redeemed(address indexed holder, address indexed to, uint256 assets, uint256 amountNano);
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
    error CreditVault_InvalidRecipient(address recipient);
    error CreditVault_TooManyDecimals(uint8 decimals);
    error CreditVault_ZeroAmount();
    error CreditVault_InsufficientBalance(address tenant, uint256 balanceNano, uint256 amountNano);
    error CreditVault_NotAssetMultiple(uint256 amountNano);
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
    function balanceOf(address tenant) external view returns (uint128 freeNano);
    function lockOf(bytes32 jobId) external view returns (Lock memory);

    function deposit(uint256 assets, address tenant) external returns (uint128 amountNano);
    function depositWithPermit(
        uint256 assets,
        address tenant,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (uint128 amountNano);
    function depositCredit(uint128 amountNano, address tenant) external;
    function withdraw(uint128 amountNano, address to) external returns (uint256 assets);
    function withdrawCredit(uint128 amountNano, address to) external;
    /// @notice Burns the caller's CreditToken against the settlement asset.
    function redeem(uint256 amountNano, address to) external returns (uint256 assets);
    /// @notice Moves free credit of the caller to another account of the vault.
    function moveCredit(address to, uint128 amountNano) external;

    function lock(Capability calldata capability, bytes calldata signature)
        external
        returns (bytes32 capabilityHash);
    function release(bytes32 jobId) external returns (uint64 releasedNano);
    /// @notice Writes what CapabilityAuthority says about revocation into locks; anyone may call.
    function applyRevocation(bytes32[] calldata jobIds) external;

    /// @notice Treasury only. Never reverts for one bad charge. `windowStart` is in Unix milliseconds.
    function charge(Charge[] calldata charges, uint64 windowStart) external returns (Charged[] memory);
    /// @notice Channels only: moves free credit of `tenant` to the channels' account.
    function pullForChannel(address tenant, uint128 amountNano) external;
}
