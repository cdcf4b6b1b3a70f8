// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title ICreditToken
/// @notice ERC-20 form of credit: nine decimals, one token is one US dollar, one unit is one nanocredit. Every unit is
/// backed by the settlement asset in CreditVault, which alone mints and burns.
///
/// Assumptions:
/// - the vault mints only against assets it has received, and burns only against assets it pays out;
/// - `block.timestamp` is right to a few seconds: the windows of authorizations are compared with it.
/// @dev ERC-2612 (`permit`, EOA only) and ERC-3009 (EOA with low s, or ERC-1271). The EIP-712 domain is
/// ("Tokenised API Credit", "1", chain id, this contract). The supply is capped at `type(uint128).max`; a mint above it
/// reverts with OpenZeppelin's `ERC20ExceededCap`.
/// @dev Warning: tokens sent straight to the vault with `transfer` belong to nobody's account and cannot be taken back;
/// use `ICreditVault.depositCredit`.
interface ICreditToken is IERC20, IERC20Permit {
    /// @notice The authorization was carried out; its nonce is spent.
    /// @param authorizer Who signed.
    /// @param nonce The one that is spent.
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    /// @notice The authorizer spent the nonce without a transfer.
    /// @param authorizer Who signed.
    /// @param nonce The one that is spent.
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    /// @notice Only the vault mints and burns.
    /// @param caller Who called.
    error CreditToken_NotVault(address caller);
    /// @notice It is used too early.
    /// @param validAfter Unix seconds, exclusive.
    error CreditToken_AuthorizationNotYetValid(uint256 validAfter);
    /// @notice It is used too late.
    /// @param validBefore Unix seconds, exclusive.
    error CreditToken_AuthorizationExpired(uint256 validBefore);
    /// @notice Used or cancelled before.
    /// @param authorizer Who signed.
    /// @param nonce The one that is spent.
    error CreditToken_AuthorizationUsed(address authorizer, bytes32 nonce);
    /// @notice An authorization to receive is submitted by another than the payee.
    /// @param caller Who called.
    /// @param to The payee.
    error CreditToken_CallerNotPayee(address caller, address to);
    /// @notice The signature is not the authorizer's on this digest.
    error CreditToken_InvalidSignature();

    /// @notice The CreditVault.
    function vault() external view returns (address);

    /// @notice Vault only: creates `amountNano` for `to`. The vault has received as much of the settlement asset.
    /// @param to Who gets them; the vault itself, for a deposit.
    /// @param amountNano Nanocredits.
    function mint(address to, uint256 amountNano) external;

    /// @notice Vault only: destroys `amountNano` of `from`. The vault pays out as much of the settlement asset.
    /// @dev Warning: needs no allowance. The vault burns its own tokens and those of its direct caller, never others.
    /// @param from Whose they were.
    /// @param amountNano Nanocredits.
    function burn(address from, uint256 amountNano) external;

    /// @notice True once the nonce was used or cancelled. Nonces are random and independent of each other.
    /// @param authorizer Any address.
    /// @param nonce Any nonce.
    /// @return used Whether it is spent.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool used);

    /// @notice ERC-3009: anyone carries out a transfer `from` has signed as
    /// `TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)`.
    /// @dev Warning: whoever sees the signature can submit it first. A contract that reacts to being paid must use
    /// `receiveWithAuthorization`, or its own call can be front-run and find the nonce spent.
    /// @param from Who signed, and whose tokens move.
    /// @param to Who receives them.
    /// @param amountNano The signed `value`.
    /// @param validAfter Unix seconds, exclusive.
    /// @param validBefore Unix seconds, exclusive.
    /// @param nonce Any 32 bytes the authorizer has not used before.
    /// @param signature 65 bytes r, s, v of an EOA, or what the ERC-1271 account `from` accepts.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice The form of ERC-3009 that takes an EOA's signature in parts.
    /// @param from Who signed, and whose tokens move.
    /// @param to Who receives them.
    /// @param amountNano The signed `value`.
    /// @param validAfter Unix seconds, exclusive.
    /// @param validBefore Unix seconds, exclusive.
    /// @param nonce Any 32 bytes the authorizer has not used before.
    /// @param v Of the signature: 27 or 28.
    /// @param r Of the signature.
    /// @param s Of the signature; the low one of the two.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice As `transferWithAuthorization`, but only the payee may submit it, and the signed type is
    /// `ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)`.
    /// @param from Who signed, and whose tokens move.
    /// @param to Who receives them, and must be the caller.
    /// @param amountNano The signed `value`.
    /// @param validAfter Unix seconds, exclusive.
    /// @param validBefore Unix seconds, exclusive.
    /// @param nonce Any 32 bytes the authorizer has not used before.
    /// @param signature 65 bytes r, s, v of an EOA, or what the ERC-1271 account `from` accepts.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice The form of ERC-3009 that takes an EOA's signature in parts.
    /// @param from Who signed, and whose tokens move.
    /// @param to Who receives them, and must be the caller.
    /// @param amountNano The signed `value`.
    /// @param validAfter Unix seconds, exclusive.
    /// @param validBefore Unix seconds, exclusive.
    /// @param nonce Any 32 bytes the authorizer has not used before.
    /// @param v Of the signature: 27 or 28.
    /// @param r Of the signature.
    /// @param s Of the signature; the low one of the two.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Spends a nonce without a transfer. Anyone may submit what the authorizer has signed as
    /// `CancelAuthorization(address authorizer,bytes32 nonce)`.
    /// @param authorizer Who signed.
    /// @param nonce The one to spend.
    /// @param signature 65 bytes r, s, v of an EOA, or what the ERC-1271 account `authorizer` accepts.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external;

    /// @notice The form of ERC-3009 that takes an EOA's signature in parts.
    /// @param authorizer Who signed.
    /// @param nonce The one to spend.
    /// @param v Of the signature: 27 or 28.
    /// @param r Of the signature.
    /// @param s Of the signature; the low one of the two.
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
}
