// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

interface ICreditToken is IERC20, IERC20Permit {
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    error CreditToken_NotVault(address caller);
    error CreditToken_AuthorizationNotYetValid(uint256 validAfter);
    error CreditToken_AuthorizationExpired(uint256 validBefore);
    error CreditToken_AuthorizationUsed(address authorizer, bytes32 nonce);
    error CreditToken_CallerNotPayee(address caller, address to);
    error CreditToken_InvalidSignature();

    function vault() external view returns (address);
    function mint(address to, uint256 amountNano) external;
    function burn(address from, uint256 amountNano) external;
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool used);
    function transferWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
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
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 amountNano,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
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
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external;
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
}
