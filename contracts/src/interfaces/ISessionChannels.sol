// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title ISessionChannels
/// @notice Unidirectional payment channels funded from free credit of the vault, for a payer that pays one payee often:
/// the payer signs ever larger vouchers off chain, and the payee redeems the last one whenever it likes.
///
/// A channel opens with a deposit, takes more while it is open, and ends once: by the payee's `close` at any time, or by
/// the payer's `startExit` and, after the delay, anyone's `exit`. A closed channel never opens again, so an old voucher
/// is worth nothing.
///
/// All money stays in the vault: this contract's account there holds what open channels have not paid out.
///
/// Assumptions:
/// - the vault moves this contract's credit on its word alone, and refuses no recipient but itself and zero;
/// - `block.timestamp` never goes back and is right to a few seconds: an exit is counted on it;
/// - a payee can get a transaction into a block within channelExitSeconds;
/// - the governor keeps channelExitSeconds at an hour or more, and its pause does not reach here.
/// @dev Vouchers are EIP-712 in the domain ("SessionChannels", "1", chain, this contract); the payer is an EOA or an
/// ERC-1271 account.
/// @dev Warning: a payee must redeem before an exit ends, so it watches ChannelExitStarted.
/// @dev Warning: an ERC-1271 payer can change its mind about a signature, and can waste the gas of the claim it stands
/// in: a payee redeems the vouchers of such payers early, and apart from others.
interface ISessionChannels {
    enum ChannelState {
        /// @dev Never opened.
        None,
        /// @dev Can be funded and claimed.
        Open,
        /// @dev The payer started an exit; the payee can still claim.
        Closing,
        /// @dev Over, for good.
        Closed
    }

    struct Channel {
        /// @dev Pays in and signs vouchers.
        address payer;
        /// @dev Redeems vouchers.
        address payee;
        /// @dev All that was ever paid in.
        uint64 depositNano;
        /// @dev All that was ever paid out to the payee.
        uint64 claimedNano;
        /// @dev Unix seconds at which a closing channel can be exited; zero while open.
        uint40 exitAt;
        /// @dev Where the channel stands.
        ChannelState state;
    }

    /// @notice EIP-712 struct: the payee may take `cumulativeNano` in all. Only the largest matters.
    struct Voucher {
        /// @dev The one channel it is good for.
        bytes32 channelId;
        /// @dev All that may have been paid out once it is redeemed.
        uint64 cumulativeNano;
    }

    /// @notice A channel opened with its first deposit.
    /// @param channelId The channel.
    /// @param payer Who pays in and signs vouchers.
    /// @param payee Who redeems vouchers.
    /// @param depositNano All that was ever paid in, in nanocredits.
    event ChannelOpened(
        bytes32 indexed channelId, address indexed payer, address indexed payee, uint64 depositNano
    );
    /// @notice The payer paid in more.
    /// @param channelId The channel.
    /// @param amountNano Nanocredits added.
    /// @param depositNano the new sum.
    event ChannelFunded(bytes32 indexed channelId, uint64 amountNano, uint64 depositNano);
    /// @notice The payee was paid.
    /// @param channelId The channel.
    /// @param claimedNano paid by this claim.
    /// @param cumulativeNano All that was paid so far.
    event ChannelClaimed(bytes32 indexed channelId, uint64 claimedNano, uint64 cumulativeNano);
    /// @notice The payer wants out; the payee has until then to claim.
    /// @param channelId The channel.
    /// @param exitAt Unix seconds from when anyone may end the channel.
    event ChannelExitStarted(bytes32 indexed channelId, uint40 exitAt);
    /// @notice A channel ended, for good.
    /// @param channelId The channel.
    /// @param claimedNano paid in all; the refund went to the payer.
    /// @param refundedNano Nanocredits that went back to the payer.
    event ChannelClosed(bytes32 indexed channelId, uint64 claimedNano, uint64 refundedNano);

    /// @notice This payer, payee and salt have, or had, their channel.
    /// @param channelId The channel.
    error SessionChannels_ChannelExists(bytes32 channelId);
    /// @notice No such channel.
    /// @param channelId The channel.
    error SessionChannels_UnknownChannel(bytes32 channelId);
    /// @notice The payee is missing.
    error SessionChannels_ZeroAddress();
    /// @notice The vault, or the channels themselves.
    /// @param payee What was given.
    error SessionChannels_InvalidPayee(address payee);
    /// @notice Nothing would move.
    error SessionChannels_ZeroAmount();
    /// @notice Only the payer may.
    /// @param caller Who called.
    error SessionChannels_NotPayer(address caller);
    /// @notice Only the payee may.
    /// @param caller Who called.
    error SessionChannels_NotPayee(address caller);
    /// @notice The channel's state does not allow it.
    /// @param channelId The channel.
    /// @param state The state it is in.
    error SessionChannels_WrongState(bytes32 channelId, ChannelState state);
    /// @notice The voucher promises more than was paid in.
    /// @param channelId The channel.
    /// @param depositNano All that was ever paid in, in nanocredits.
    /// @param cumulativeNano The voucher's.
    error SessionChannels_AboveDeposit(bytes32 channelId, uint64 depositNano, uint64 cumulativeNano);
    /// @notice The voucher promises nothing new.
    /// @param channelId The channel.
    /// @param claimedNano All that was paid so far.
    /// @param cumulativeNano The voucher's.
    error SessionChannels_NotIncreasing(bytes32 channelId, uint64 claimedNano, uint64 cumulativeNano);
    /// @notice The signature is not the payer's on this voucher.
    /// @param channelId The channel.
    error SessionChannels_InvalidSignature(bytes32 channelId);
    /// @notice The exit's delay is still running.
    /// @param exitAt Unix seconds from when anyone may end the channel.
    error SessionChannels_NotYetExitable(uint40 exitAt);
    /// @notice Each voucher needs its signature.
    /// @param vouchers How many.
    /// @param signatures How many.
    error SessionChannels_LengthMismatch(uint256 vouchers, uint256 signatures);

    /// @notice Holds the deposits.
    function vault() external view returns (address);
    /// @notice Sets channelExitSeconds.
    function governor() external view returns (address);
    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    /// @notice The id covers the chain and this contract, so a voucher fits one channel only.
    /// @param payer Who pays in and signs vouchers.
    /// @param payee Who redeems vouchers.
    /// @param salt Tells apart the channels of one payer and payee.
    /// @return channelId The id.
    function channelIdOf(address payer, address payee, bytes32 salt) external view returns (bytes32 channelId);
    /// @notice All zero for an unknown channel.
    /// @param channelId The channel.
    function channelOf(bytes32 channelId) external view returns (Channel memory);
    /// @notice The digest the payer signs.
    /// @param voucher Any voucher.
    function hashVoucher(Voucher calldata voucher) external view returns (bytes32);

    /// @notice The caller is the payer; the deposit comes from its free credit in the vault.
    /// @param payee Neither zero, the vault nor this contract.
    /// @param salt Not used before between the two.
    /// @param depositNano Nanocredits, above zero.
    /// @return channelId The id.
    function open(address payee, bytes32 salt, uint64 depositNano) external returns (bytes32 channelId);
    /// @notice Payer only, while open.
    /// @param channelId The channel.
    /// @param amountNano Nanocredits, above zero.
    function fund(bytes32 channelId, uint64 amountNano) external;
    /// @notice Anyone may submit; the payee's account in the vault is credited. One bad voucher reverts the claim it
    /// stands in, so a payee that batches checks vouchers first.
    /// @param voucher Above what was claimed, and within the deposit.
    /// @param signature The payer's, on the voucher's digest.
    /// @return paidNano What this claim paid.
    function claim(Voucher calldata voucher, bytes calldata signature) external returns (uint64 paidNano);
    /// @notice Many channels at once: a bad voucher is skipped and pays zero.
    /// @dev Neighbouring vouchers of one payee cost least, for they are paid in one move.
    /// @param vouchers In any order; those of one payee best side by side.
    /// @param signatures The payers', one for each voucher.
    /// @return paidNano What each voucher paid; zero for a bad one.
    function claimMany(Voucher[] calldata vouchers, bytes[] calldata signatures)
        external
        returns (uint64[] memory paidNano);
    /// @notice Payee only: claims the last voucher and gives the rest back at once. A voucher that is not above what was
    /// claimed already stands for none, its signature unread: anyone may have submitted it a moment before.
    /// @param lastVoucher The largest the payee has.
    /// @param signature The payer's, on the voucher's digest.
    function close(Voucher calldata lastVoucher, bytes calldata signature) external;
    /// @notice Payer only, while open: starts the timed exit, during which the payee can still claim.
    /// @dev The time is fixed by this call: a later channelExitSeconds does not move it.
    /// @param channelId The channel.
    function startExit(bytes32 channelId) external;
    /// @notice Anyone, from `exitAt` on: the rest goes back to the payer.
    /// @param channelId The channel.
    function exit(bytes32 channelId) external;
}
