// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Capped} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {ICreditToken} from "./interfaces/ICreditToken.sol";

/// @title CreditToken
/// @notice One token is one US dollar of prepaid API usage, held one to one by CreditVault in the settlement asset.
contract CreditToken is ICreditToken, ERC20Capped, ERC20Permit {
    bytes32 public constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public constant RECEIVE_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public constant CANCEL_AUTHORIZATION_TYPEHASH =
        keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");

    /// @dev The members in the order of the EIP-712 types, so that one `abi.encode` hashes them.
    struct Authorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// @inheritdoc ICreditToken
    address public immutable vault;

    /// @dev Nonces are random rather than sequential, so that one lost authorization never blocks the next.
    mapping(address authorizer => mapping(bytes32 nonce => bool used)) private _authorizationUsed;

    modifier onlyVault() {
        if (msg.sender != vault) revert CreditToken_NotVault(msg.sender);
        _;
    }

    /// @param vault_ The one minter and burner; it need not exist yet.
    /// @dev The cap lets the vault keep every account in a uint128: no sum of accounts can exceed the supply.
    // The one deployment predicts the addresses, and Check.s.sol reads each back.
    // slither-disable-next-line missing-zero-check
    constructor(address vault_)
        ERC20("Tokenised API Credit", "CREDIT")
        ERC20Permit("Tokenised API Credit")
        ERC20Capped(type(uint128).max)
    {
        vault = vault_;
    }

    /// @inheritdoc ICreditToken
    function mint(address to, uint256 amountNano) external onlyVault {
        _mint(to, amountNano);
    }

    /// @inheritdoc ICreditToken
    function burn(address from, uint256 amountNano) external onlyVault {
        _burn(from, amountNano);
    }

    /// @inheritdoc ICreditToken
    function transferWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _useTransfer(Authorization(from, to, amountNano, validAfter, validBefore, nonce), signature);
    }

    /// @inheritdoc ICreditToken
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
    ) external {
        _useTransfer(
            Authorization(from, to, amountNano, validAfter, validBefore, nonce), abi.encodePacked(r, s, v)
        );
    }

    /// @inheritdoc ICreditToken
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _useReceive(Authorization(from, to, amountNano, validAfter, validBefore, nonce), signature);
    }

    /// @inheritdoc ICreditToken
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
    ) external {
        _useReceive(
            Authorization(from, to, amountNano, validAfter, validBefore, nonce), abi.encodePacked(r, s, v)
        );
    }

    /// @inheritdoc ICreditToken
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _cancel(authorizer, nonce, signature);
    }

    /// @inheritdoc ICreditToken
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external {
        _cancel(authorizer, nonce, abi.encodePacked(r, s, v));
    }

    /// @inheritdoc ICreditToken
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool used) {
        return _authorizationUsed[authorizer][nonce];
    }

    /// @notice Nine: one unit is a nanocredit, a thousand-millionth of a US dollar.
    function decimals() public pure override returns (uint8) {
        return 9;
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, IERC20Permit) returns (uint256) {
        return super.nonces(owner);
    }

    function _useTransfer(Authorization memory authorization, bytes memory signature) private {
        _use(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, authorization, signature);
    }

    function _useReceive(Authorization memory authorization, bytes memory signature) private {
        if (msg.sender != authorization.to) revert CreditToken_CallerNotPayee(msg.sender, authorization.to);
        _use(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, authorization, signature);
    }

    function _use(bytes32 typeHash, Authorization memory authorization, bytes memory signature) private {
        // ERC-3009 excludes both ends of the window.
        uint256 nowSeconds = block.timestamp;
        if (nowSeconds <= authorization.validAfter) {
            revert CreditToken_AuthorizationNotYetValid(authorization.validAfter);
        }
        if (nowSeconds >= authorization.validBefore) {
            revert CreditToken_AuthorizationExpired(authorization.validBefore);
        }
        address from = authorization.from;
        _consume(from, authorization.nonce, keccak256(abi.encode(typeHash, authorization)), signature);
        emit AuthorizationUsed(from, authorization.nonce);
        _transfer(from, authorization.to, authorization.value);
    }

    function _cancel(address authorizer, bytes32 nonce, bytes memory signature) private {
        bytes32 structHash = keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce));
        _consume(authorizer, nonce, structHash, signature);
        emit AuthorizationCanceled(authorizer, nonce);
    }

    function _consume(address authorizer, bytes32 nonce, bytes32 structHash, bytes memory signature) private {
        if (_authorizationUsed[authorizer][nonce]) revert CreditToken_AuthorizationUsed(authorizer, nonce);
        if (!SignatureChecker.isValidSignatureNow(authorizer, _hashTypedDataV4(structHash), signature)) {
            revert CreditToken_InvalidSignature();
        }
        _authorizationUsed[authorizer][nonce] = true;
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Capped) {
        super._update(from, to, value);
    }
}
