// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title ICreditToken
/// @notice ERC-20 form of credit: nine decimals, one token is one US dollar, one unit is one nanocredit. Every unit is
/// backed by the settlement asset in CreditVault, which alone mints and burns.
/// @dev ERC-2612 (`permit`, EOA only) and ERC-3009 (EOA with low s, or ERC-1271). The EIP-712 domain is
/// ("Tokenised API Credit", "1", chain id, this contract). The supply is capped at `type(uint128).max`; a mint above it
/// reverts with OpenZeppelin's `ERC20ExceededCap`.
/// @dev Warning: tokens sent straight to the vault with `transfer` belong to nobody's account and cannot be taken back;
/// use `ICreditVault.depositCredit`.
interface ICreditToken is IERC20, IERC20Permit {
    /// @notice The authorization was carried out; its nonce is spent.
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    /// @notice The authorizer spent the nonce without a transfer.
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    error CreditToken_NotVault(address caller);
    error CreditToken_AuthorizationNotYetValid(uint256 validAfter);
    error CreditToken_AuthorizationExpired(uint256 validBefore);
    /// @dev Used or cancelled before.
    error CreditToken_AuthorizationUsed(address authorizer, bytes32 nonce);
    error CreditToken_CallerNotPayee(address caller, address to);
    error CreditToken_InvalidSignature();

    /// @notice The CreditVault.
    function vault() external view returns (address);

    /// @notice Vault only: creates `amountNano` for `to`. The vault has received as much of the settlement asset.
    function mint(address to, uint256 amountNano) external;

    /// @notice Vault only: destroys `amountNano` of `from`. The vault pays out as much of the settlement asset.
    /// @dev Warning: needs no allowance. The vault burns its own tokens and those of its direct caller, never others.
    function burn(address from, uint256 amountNano) external;

    /// @notice True once the nonce was used or cancelled. Nonces are random and independent of each other.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool used);

    /// @notice ERC-3009: anyone carries out a transfer `from` has signed as
    /// `TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)`.
    /// @dev Warning: whoever sees the signature can submit it first. A contract that reacts to being paid must use
    /// `receiveWithAuthorization`, or its own call can be front-run and find the nonce spent.
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
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external;

    /// @notice The form of ERC-3009 that takes an EOA's signature in parts.
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
}
