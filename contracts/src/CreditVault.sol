// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICapabilityAuthority} from "./interfaces/ICapabilityAuthority.sol";
import {ICreditToken} from "./interfaces/ICreditToken.sol";
import {ICreditVault} from "./interfaces/ICreditVault.sol";
import {IParamGovernor} from "./interfaces/IParamGovernor.sol";
import {LockLib, LockWord} from "./libraries/LockLib.sol";
import {Capability} from "./types/Capability.sol";
import {LineStatus} from "./types/Line.sol";

/// @title CreditVault
/// @notice Holds the settlement asset, and keeps who owns how much of it: free in an account, or locked for a job.
contract CreditVault is ICreditVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Two slots, split by who needs them: a settled line loads and stores `word` alone. `owner` is written once,
    /// and read again only when something goes back to the tenant.
    struct StoredLock {
        LockWord word;
        Owner owner;
    }

    struct Owner {
        address tenant;
        uint64 maxSpendNano;
    }

    uint8 private constant CREDIT_DECIMALS = 9;
    uint256 private constant CHARGE_BYTES = 0x60;
    uint256 private constant CHARGED_BYTES = 0x60;

    /// @inheritdoc ICreditVault
    address public immutable asset;
    /// @inheritdoc ICreditVault
    address public immutable token;
    /// @inheritdoc ICreditVault
    address public immutable authority;
    /// @inheritdoc ICreditVault
    address public immutable treasury;
    /// @inheritdoc ICreditVault
    address public immutable channels;
    /// @inheritdoc ICreditVault
    address public immutable governor;
    /// @inheritdoc ICreditVault
    uint256 public immutable nanoPerAssetUnit;

    /// @dev Free nanocredits. The token's supply is capped at uint128 and every account and lock is backed by tokens,
    /// so adding to an account cannot overflow, and no line can make a batch revert that way.
    mapping(address account => uint128 freeNano) private _accounts;
    mapping(bytes32 jobId => StoredLock) private _locks;

    modifier whenNotPaused() {
        if (IParamGovernor(governor).isPaused()) revert CreditVault_Paused();
        _;
    }

    /// @dev The addresses are predicted by the deployer, so nothing but the asset is called here.
    constructor(
        address asset_,
        address token_,
        address authority_,
        address treasury_,
        address channels_,
        address governor_
    ) {
        if (
            asset_ == address(0) || token_ == address(0) || authority_ == address(0)
                || treasury_ == address(0) || channels_ == address(0) || governor_ == address(0)
        ) revert CreditVault_ZeroAddress();
        uint8 decimals = IERC20Metadata(asset_).decimals();
        if (decimals > CREDIT_DECIMALS) revert CreditVault_TooManyDecimals(decimals);

        asset = asset_;
        token = token_;
        authority = authority_;
        treasury = treasury_;
        channels = channels_;
        governor = governor_;
        nanoPerAssetUnit = 10 ** (CREDIT_DECIMALS - decimals);
    }

    /// @inheritdoc ICreditVault
    function deposit(uint256 assets, address tenant)
        external
        nonReentrant
        whenNotPaused
        returns (uint128 amountNano)
    {
        return _deposit(assets, tenant);
    }

    /// @inheritdoc ICreditVault
    function depositWithPermit(
        uint256 assets,
        address tenant,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenNotPaused returns (uint128 amountNano) {
        // A permit someone else has already submitted fails here and yet has left the allowance; if it has not, the
        // transfer reverts with the asset's own error.
        // solhint-disable-next-line no-empty-blocks
        try IERC20Permit(asset).permit(msg.sender, address(this), assets, deadline, v, r, s) {} catch {}
        return _deposit(assets, tenant);
    }

    /// @inheritdoc ICreditVault
    function depositCredit(uint128 amountNano, address tenant) external whenNotPaused {
        _checkAmount(amountNano);
        _checkRecipient(tenant);
        _credit(tenant, amountNano);
        emit CreditDeposited(msg.sender, tenant, amountNano);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amountNano);
    }

    /// @inheritdoc ICreditVault
    function withdraw(uint128 amountNano, address to) external nonReentrant returns (uint256 assets) {
        assets = _toAssets(amountNano);
        _checkRecipient(to);
        _debit(msg.sender, amountNano);
        emit Withdrawn(msg.sender, to, assets, amountNano);
        ICreditToken(token).burn(address(this), amountNano);
        IERC20(asset).safeTransfer(to, assets);
    }

    /// @inheritdoc ICreditVault
    function withdrawCredit(uint128 amountNano, address to) external {
        _checkAmount(amountNano);
        _checkRecipient(to);
        _debit(msg.sender, amountNano);
        emit CreditWithdrawn(msg.sender, to, amountNano);
        IERC20(token).safeTransfer(to, amountNano);
    }

    /// @inheritdoc ICreditVault
    function redeem(uint256 amountNano, address to) external nonReentrant returns (uint256 assets) {
        assets = _toAssets(amountNano);
        _checkRecipient(to);
        emit Redeemed(msg.sender, to, assets, amountNano);
        ICreditToken(token).burn(msg.sender, amountNano);
        IERC20(asset).safeTransfer(to, assets);
    }

    /// @inheritdoc ICreditVault
    function moveCredit(address to, uint128 amountNano) external {
        _checkRecipient(to);
        _move(msg.sender, to, amountNano);
    }

    /// @inheritdoc ICreditVault
    function lock(Capability calldata capability, bytes calldata signature)
        external
        whenNotPaused
        returns (bytes32 capabilityHash)
    {
        StoredLock storage stored = _locks[capability.jobId];
        if (stored.word.state() != LockLib.NONE) revert CreditVault_JobAlreadyLocked(capability.jobId);
        capabilityHash = ICapabilityAuthority(authority).verify(capability, signature);

        address tenant = capability.tenant;
        uint64 maxSpendNano = capability.maxSpendNano;
        _debit(tenant, maxSpendNano);
        stored.word = LockLib.open(maxSpendNano, uint40(capability.expiresAt), uint40(capability.validAfter));
        stored.owner = Owner({tenant: tenant, maxSpendNano: maxSpendNano});

        emit Locked(
            capability.jobId,
            tenant,
            capabilityHash,
            capability.quoteHash,
            capability.holder,
            maxSpendNano,
            capability.validAfter,
            capability.expiresAt
        );
    }

    /// @inheritdoc ICreditVault
    function release(bytes32 jobId) external returns (uint64 releasedNano) {
        StoredLock storage stored = _locks[jobId];
        LockWord word = stored.word;
        if (word.state() == LockLib.NONE) revert CreditVault_UnknownJob(jobId);
        if (word.state() == LockLib.CLOSED) revert CreditVault_LockClosed(jobId);

        uint256 endsAt = word.expiresAt();
        uint256 revokedAt = word.revokedAt();
        if (revokedAt != 0 && revokedAt < endsAt) endsAt = revokedAt;
        uint256 releasableAt = endsAt + _graceSeconds();
        uint256 nowSeconds = block.timestamp;
        if (nowSeconds < releasableAt) revert CreditVault_NotYetReleasable(jobId, releasableAt);

        releasedNano = _close(stored, word);
        emit Released(jobId, stored.owner.tenant, releasedNano);
    }

    /// @inheritdoc ICreditVault
    function applyRevocation(bytes32[] calldata jobIds) external {
        for (uint256 i = 0; i < jobIds.length; ++i) {
            bytes32 jobId = jobIds[i];
            StoredLock storage stored = _locks[jobId];
            LockWord word = stored.word;
            if (word.state() != LockLib.OPEN) continue;

            // The authority is the system's own, and whoever sends the list pays for it.
            // slither-disable-next-line calls-loop
            uint40 revokedAt =
                ICapabilityAuthority(authority).revokedAt(stored.owner.tenant, jobId, word.validAfter());
            if (revokedAt == word.revokedAt()) continue;
            stored.word = word.withRevokedAt(revokedAt);
            emit LockRevoked(jobId, revokedAt);
        }
    }

    /// @inheritdoc ICreditVault
    /// @dev The result is written in its ABI encoding and returned as it is: building the array of structs first and
    /// having the compiler encode it costs several hundred gas a line, and this loop decides what a line costs.
    function charge(Charge[] calldata charges, uint64 windowStart)
        external
        whenNotPaused
        returns (Charged[] memory)
    {
        if (msg.sender != treasury) revert CreditVault_NotTreasury(msg.sender);

        uint256 at;
        uint256 end;
        uint256 encoded;
        uint256 result;
        assembly ("memory-safe") {
            at := charges.offset
            end := add(at, mul(charges.length, CHARGE_BYTES))
            encoded := mload(0x40)
            mstore(encoded, 0x20)
            mstore(add(encoded, 0x20), charges.length)
            result := add(encoded, 0x40)
            mstore(0x40, add(result, mul(charges.length, CHARGED_BYTES)))
        }
        uint256 totalNano = 0;
        while (at != end) {
            uint256 paidNano = _charge(at, windowStart, result);
            unchecked {
                totalNano += paidNano;
                at += CHARGE_BYTES;
                result += CHARGED_BYTES;
            }
        }
        // Every part of the sum came out of a lock, so the sum is within the token's supply.
        // forge-lint: disable-next-line(unsafe-typecast)
        _credit(treasury, uint128(totalNano));
        assembly ("memory-safe") {
            return(encoded, sub(result, encoded))
        }
    }

    /// @inheritdoc ICreditVault
    function pullForChannel(address tenant, uint128 amountNano) external {
        if (msg.sender != channels) revert CreditVault_NotChannels(msg.sender);
        _move(tenant, channels, amountNano);
    }

    /// @inheritdoc ICreditVault
    function balanceOf(address tenant) external view returns (uint128 freeNano) {
        return _accounts[tenant];
    }

    /// @inheritdoc ICreditVault
    function lockOf(bytes32 jobId) external view returns (Lock memory) {
        StoredLock storage stored = _locks[jobId];
        LockWord word = stored.word;
        return Lock({
            tenant: stored.owner.tenant,
            maxSpendNano: stored.owner.maxSpendNano,
            remainingNano: word.remainingNano(),
            expiresAt: word.expiresAt(),
            revokedAt: word.revokedAt(),
            validAfter: word.validAfter(),
            state: LockState(word.state())
        });
    }

    function _deposit(uint256 assets, address tenant) private returns (uint128 amountNano) {
        _checkAmount(assets);
        _checkRecipient(tenant);
        if (assets > type(uint128).max / nanoPerAssetUnit) revert CreditVault_AmountTooLarge(assets);
        // The line above lets through only what fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        amountNano = uint128(assets * nanoPerAssetUnit);

        uint256 reserveBefore = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(msg.sender, address(this), assets);
        uint256 received = IERC20(asset).balanceOf(address(this)) - reserveBefore;
        if (received < assets) revert CreditVault_AssetShortfall(assets, received);

        // The token calls nobody, and whatever moves the asset is guarded against coming back while it does.
        // slither-disable-next-line reentrancy-benign
        ICreditToken(token).mint(address(this), amountNano);
        _credit(tenant, amountNano);
        emit Deposited(msg.sender, tenant, assets, amountNano);
    }

    /// @param at Where in the calldata the Charge is. Its members are read raw and cut to their width: the treasury
    /// encodes them, and the compiler's checks would cost more than the arithmetic.
    /// @param result Where in memory its Charged goes.
    function _charge(uint256 at, uint256 windowStart, uint256 result) private returns (uint256 paidNano) {
        bytes32 jobId;
        uint256 amountNano;
        bool isFinal;
        assembly ("memory-safe") {
            jobId := calldataload(at)
            amountNano := and(calldataload(add(at, 0x20)), 0xffffffffffffffff)
            isFinal := iszero(iszero(calldataload(add(at, 0x40))))
        }
        StoredLock storage stored = _locks[jobId];
        LockWord word = stored.word;
        uint256 releasedNano = 0;
        LineStatus status = LineStatus.Paid;
        // Nearly every line is of a lock that covers it and stays open: it gets the short way.
        if (word.covers(amountNano)) {
            paidNano = amountNano;
        } else if (word.isOpen()) {
            (paidNano, status) = _chargeHindered(word, amountNano, windowStart);
        } else {
            status = word.state() == LockLib.NONE ? LineStatus.UnknownJob : LineStatus.LockClosed;
            isFinal = false;
        }
        if (isFinal) releasedNano = _close(stored, word.less(paidNano));
        else if (paidNano != 0) stored.word = word.less(paidNano);
        assembly ("memory-safe") {
            mstore(result, paidNano)
            mstore(add(result, 0x20), releasedNano)
            mstore(add(result, 0x40), status)
        }
    }

    /// @dev Of an open lock. Usage from before a revocation may come in a window that begins after it, out of a full batch
    /// or a feed that was away, so a revoked lock has the grace that an expired one has.
    function _chargeHindered(LockWord word, uint256 amountNano, uint256 windowStart)
        private
        view
        returns (uint256 paidNano, LineStatus status)
    {
        uint256 remainingNano = word.remainingNano();
        uint256 revokedAt = word.revokedAt();
        if (revokedAt != 0 && (revokedAt + _graceSeconds()) * 1000 <= windowStart) {
            return (0, LineStatus.Revoked);
        }
        if (amountNano <= remainingNano) return (amountNano, LineStatus.Paid);
        if (remainingNano == 0) return (0, LineStatus.LockExhausted);
        return (remainingNano, LineStatus.PaidInPart);
    }

    function _graceSeconds() private view returns (uint256) {
        // The system's own governor, asked in a batch for the lines of revoked locks alone.
        // slither-disable-next-line calls-loop
        return IParamGovernor(governor).param("graceSeconds");
    }

    function _close(StoredLock storage stored, LockWord word) private returns (uint64 releasedNano) {
        releasedNano = word.remainingNano();
        stored.word = word.closed();
        if (releasedNano != 0) _credit(stored.owner.tenant, releasedNano);
    }

    function _move(address from, address to, uint128 amountNano) private {
        _checkAmount(amountNano);
        _debit(from, amountNano);
        _credit(to, amountNano);
        emit CreditMoved(from, to, amountNano);
    }

    function _credit(address account, uint128 amountNano) private {
        unchecked {
            _accounts[account] += amountNano;
        }
    }

    function _debit(address account, uint128 amountNano) private {
        uint128 freeNano = _accounts[account];
        if (freeNano < amountNano) revert CreditVault_InsufficientBalance(account, freeNano, amountNano);
        unchecked {
            _accounts[account] = freeNano - amountNano;
        }
    }

    function _toAssets(uint256 amountNano) private view returns (uint256 assets) {
        _checkAmount(amountNano);
        if (amountNano % nanoPerAssetUnit != 0) revert CreditVault_NotAssetMultiple(amountNano);
        return amountNano / nanoPerAssetUnit;
    }

    function _checkAmount(uint256 amountNano) private pure {
        if (amountNano == 0) revert CreditVault_ZeroAmount();
    }

    function _checkRecipient(address recipient) private view {
        if (recipient == address(0)) revert CreditVault_ZeroAddress();
        if (recipient == address(this)) revert CreditVault_InvalidRecipient(recipient);
    }
}
