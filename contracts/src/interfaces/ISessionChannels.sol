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
/// @dev Vouchers are EIP-712 in the domain ("SessionChannels", "1", chain, this contract); the payer is an EOA or an
/// ERC-1271 account.
/// @dev Warning: a payee must redeem before an exit ends, so it watches ChannelExitStarted.
/// @dev Warning: an ERC-1271 payer can change its mind about a signature, and can waste the gas of the claim it stands
/// in: a payee redeems the vouchers of such payers early, and apart from others.
interface ISessionChannels {
    enum ChannelState {
        None,
        Open,
        /// @dev The payer started an exit; the payee can still claim.
        Closing,
        Closed
    }

    struct Channel {
        address payer;
        address payee;
        /// @dev All that was ever paid in.
        uint64 depositNano;
        /// @dev All that was ever paid out to the payee.
        uint64 claimedNano;
        /// @dev Unix seconds at which a closing channel can be exited; zero while open.
        uint40 exitAt;
        ChannelState state;
    }

    /// @notice EIP-712 struct: the payee may take `cumulativeNano` in all. Only the largest matters.
    struct Voucher {
        bytes32 channelId;
        uint64 cumulativeNano;
    }

    event ChannelOpened(
        bytes32 indexed channelId, address indexed payer, address indexed payee, uint64 depositNano
    );
    /// @param depositNano the new sum.
    event ChannelFunded(bytes32 indexed channelId, uint64 amountNano, uint64 depositNano);
    /// @param claimedNano paid by this claim.
    event ChannelClaimed(bytes32 indexed channelId, uint64 claimedNano, uint64 cumulativeNano);
    event ChannelExitStarted(bytes32 indexed channelId, uint40 exitAt);
    /// @param claimedNano paid in all; the refund went to the payer.
    event ChannelClosed(bytes32 indexed channelId, uint64 claimedNano, uint64 refundedNano);

    error SessionChannels_ChannelExists(bytes32 channelId);
    error SessionChannels_UnknownChannel(bytes32 channelId);
    error SessionChannels_ZeroAddress();
    /// @dev The vault, or the channels themselves.
    error SessionChannels_InvalidPayee(address payee);
    error SessionChannels_ZeroAmount();
    error SessionChannels_NotPayer(address caller);
    error SessionChannels_NotPayee(address caller);
    error SessionChannels_WrongState(bytes32 channelId, ChannelState state);
    error SessionChannels_AboveDeposit(bytes32 channelId, uint64 depositNano, uint64 cumulativeNano);
    error SessionChannels_NotIncreasing(bytes32 channelId, uint64 claimedNano, uint64 cumulativeNano);
    error SessionChannels_InvalidSignature(bytes32 channelId);
    error SessionChannels_NotYetExitable(uint40 exitAt);
    error SessionChannels_LengthMismatch(uint256 vouchers, uint256 signatures);

    /// @notice Holds the deposits.
    function vault() external view returns (address);
    /// @notice Sets channelExitSeconds.
    function governor() external view returns (address);
    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    /// @notice The id covers the chain and this contract, so a voucher fits one channel only.
    function channelIdOf(address payer, address payee, bytes32 salt) external view returns (bytes32 channelId);
    /// @notice All zero for an unknown channel.
    function channelOf(bytes32 channelId) external view returns (Channel memory);
    /// @notice The digest the payer signs.
    function hashVoucher(Voucher calldata voucher) external view returns (bytes32);

    /// @notice The caller is the payer; the deposit comes from its free credit in the vault.
    function open(address payee, bytes32 salt, uint64 depositNano) external returns (bytes32 channelId);
    /// @notice Payer only, while open.
    function fund(bytes32 channelId, uint64 amountNano) external;
    /// @notice Anyone may submit; the payee's account in the vault is credited. One bad voucher reverts the claim it
    /// stands in, so a payee that batches checks vouchers first.
    function claim(Voucher calldata voucher, bytes calldata signature) external returns (uint64 paidNano);
    /// @notice Many channels at once: a bad voucher is skipped and pays zero.
    /// @dev Neighbouring vouchers of one payee cost least, for they are paid in one move.
    function claimMany(Voucher[] calldata vouchers, bytes[] calldata signatures)
        external
        returns (uint64[] memory paidNano);
    /// @notice Payee only: claims the last voucher and gives the rest back at once. A voucher that is not above what was
    /// claimed already stands for none, its signature unread: anyone may have submitted it a moment before.
    function close(Voucher calldata lastVoucher, bytes calldata signature) external;
    /// @notice Payer only, while open: starts the timed exit, during which the payee can still claim.
    /// @dev The time is fixed by this call: a later channelExitSeconds does not move it.
    function startExit(bytes32 channelId) external;
    /// @notice Anyone, from `exitAt` on: the rest goes back to the payer.
    function exit(bytes32 channelId) external;
}
