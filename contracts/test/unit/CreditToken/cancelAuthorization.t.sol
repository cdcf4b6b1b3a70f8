// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditToken} from "../../../src/interfaces/ICreditToken.sol";
import {FixtureWallet} from "../../utils/FixtureWallet.sol";
import {FixtureAuthorization} from "./FixtureAuthorization.sol";

contract CreditTokenCancelAuthorizationTest is FixtureAuthorization {
    function testFuzz_CancelAuthorization_SpendsTheNonce(address submitter) public {
        bytes memory cancellation = _signCancel(tenantKey, tenant);
        vm.expectEmit(address(token));
        emit ICreditToken.AuthorizationCanceled(tenant, NONCE);
        vm.prank(submitter);
        token.cancelAuthorization(tenant, NONCE, cancellation);
        assertTrue(token.authorizationState(tenant, NONCE));

        Signed memory signed = _transferOf(1);
        bytes memory signature = _signAs(tenantKey, TRANSFER_TYPEHASH, signed);
        vm.expectRevert(_used());
        token.transferWithAuthorization(
            signed.from, signed.to, 1, signed.validAfter, signed.validBefore, NONCE, signature
        );
    }

    function test_CancelAuthorization_AcceptsASignatureInParts() public {
        (bytes32 r, bytes32 s, uint8 v) = _split(_signCancel(tenantKey, tenant));
        token.cancelAuthorization(tenant, NONCE, v, r, s);
        assertTrue(token.authorizationState(tenant, NONCE));
    }

    function test_CancelAuthorization_AcceptsAnErc1271Holder() public {
        address wallet = address(new FixtureWallet(tenant));
        token.cancelAuthorization(wallet, NONCE, _signCancel(tenantKey, wallet));
        assertTrue(token.authorizationState(wallet, NONCE));
        assertFalse(token.authorizationState(tenant, NONCE));
    }

    function test_RevertWhen_CancelledTwice() public {
        bytes memory cancellation = _signCancel(tenantKey, tenant);
        token.cancelAuthorization(tenant, NONCE, cancellation);
        vm.expectRevert(_used());
        token.cancelAuthorization(tenant, NONCE, cancellation);
    }

    function test_RevertWhen_TheAuthorizationWasUsed() public {
        Signed memory signed = _transferOf(1);
        token.transferWithAuthorization(
            signed.from,
            signed.to,
            1,
            signed.validAfter,
            signed.validBefore,
            NONCE,
            _signAs(tenantKey, TRANSFER_TYPEHASH, signed)
        );
        bytes memory cancellation = _signCancel(tenantKey, tenant);
        vm.expectRevert(_used());
        token.cancelAuthorization(tenant, NONCE, cancellation);
    }

    function test_RevertWhen_AnotherKeySigned() public {
        (, uint256 otherKey) = makeAddrAndKey("other");
        bytes memory cancellation = _signCancel(otherKey, tenant);
        vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
        token.cancelAuthorization(tenant, NONCE, cancellation);
    }

    function _used() private view returns (bytes memory) {
        return abi.encodeWithSelector(ICreditToken.CreditToken_AuthorizationUsed.selector, tenant, NONCE);
    }
}
