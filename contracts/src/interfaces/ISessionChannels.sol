// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

interface ISessionChannels {
    enum ChannelState {
        None,
        Open,
        Closing,
        Closed
    }

    struct Channel {
        address payer;
        address payee;
        uint64 depositNano;
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
    event ChannelFunded(bytes32 indexed channelId, uint64 amountNano, uint64 depositNano);
    event ChannelClaimed(bytes32 indexed channelId, uint64 claimedNano, uint64 cumulativeNano);
    event ChannelExitStarted(bytes32 indexed channelId, uint40 exitAt);
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

    function vault() external view returns (address);
    function governor() external view returns (address);
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function channelIdOf(address payer, address payee, bytes32 salt) external view returns (bytes32 channelId);
    function channelOf(bytes32 channelId) external view returns (Channel memory);
    function hashVoucher(Voucher calldata voucher) external view returns (bytes32);

    /// @notice The caller is the payer; the deposit comes from its free credit in the vault.
    function open(address payee, bytes32 salt, uint64 depositNano) external returns (bytes32 channelId);
    function fund(bytes32 channelId, uint64 amountNano) external;
    /// @notice Anyone may submit; the payee's account in the vault is credited. One bad voucher reverts the claim it
    /// stands in, so a payee that batches checks vouchers first.
    function claim(Voucher calldata voucher, bytes calldata signature) external returns (uint64 paidNano);
    /// @notice Many channels at once: a bad voucher is skipped and pays zero.
    function claimMany(Voucher[] calldata vouchers, bytes[] calldata signatures)
        external
        returns (uint64[] memory paidNano);
    /// @notice Payee only: claims the last voucher (or none) and gives the rest back at once.
    function close(Voucher calldata lastVoucher, bytes calldata signature) external;
    /// @notice Payer only: starts the timed exit, during which the payee can still claim.
    function startExit(bytes32 channelId) external;
    /// @notice Anyone, once `exitAt` has passed: the rest goes back to the payer.
    function exit(bytes32 channelId) external;
}
