// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditToken} from "../../../src/interfaces/ICreditToken.sol";
import {FixtureAuthorization} from "./FixtureAuthorization.sol";

contract CreditTokenReceiveWithAuthorizationTest is FixtureAuthorization {
    function testFuzz_ReceiveWithAuthorization_PaysThePayee(uint256 amountNano) public {
        amountNano = bound(amountNano, 0, 5 * CREDIT);
        Signed memory signed = _transferOf(amountNano);
        bytes memory signature = _signAs(tenantKey, RECEIVE_TYPEHASH, signed);
        vm.expectEmit(address(token));
        emit ICreditToken.AuthorizationUsed(tenant, NONCE);
        vm.prank(stranger);
        _submit(signed, signature);
        assertEq(token.balanceOf(stranger), amountNano);
        assertTrue(token.authorizationState(tenant, NONCE));
    }

    function test_ReceiveWithAuthorization_AcceptsASignatureInParts() public {
        Signed memory signed = _transferOf(CREDIT);
        (bytes32 r, bytes32 s, uint8 v) = _split(_signAs(tenantKey, RECEIVE_TYPEHASH, signed));
        vm.prank(stranger);
        token.receiveWithAuthorization(
            signed.from, signed.to, CREDIT, signed.validAfter, signed.validBefore, NONCE, v, r, s
        );
        assertEq(token.balanceOf(stranger), CREDIT);
    }

    function testFuzz_RevertWhen_TheCallerIsNotThePayee(address caller) public {
        vm.assume(caller != stranger);
        Signed memory signed = _transferOf(1);
        bytes memory signature = _signAs(tenantKey, RECEIVE_TYPEHASH, signed);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditToken.CreditToken_CallerNotPayee.selector, caller, stranger)
        );
        vm.prank(caller);
        _submit(signed, signature);
    }

    function test_RevertWhen_ATransferAuthorizationIsUsedToReceive() public {
        Signed memory signed = _transferOf(1);
        bytes memory signature = _signAs(tenantKey, TRANSFER_TYPEHASH, signed);
        vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
        vm.prank(stranger);
        _submit(signed, signature);
    }

    function test_RevertWhen_NotYetValid() public {
        Signed memory signed = _transferOf(1);
        signed.validAfter = NOW;
        bytes memory signature = _signAs(tenantKey, RECEIVE_TYPEHASH, signed);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditToken.CreditToken_AuthorizationNotYetValid.selector, NOW)
        );
        vm.prank(stranger);
        _submit(signed, signature);
    }

    function test_RevertWhen_Expired() public {
        Signed memory signed = _transferOf(1);
        signed.validBefore = NOW;
        bytes memory signature = _signAs(tenantKey, RECEIVE_TYPEHASH, signed);
        vm.expectRevert(abi.encodeWithSelector(ICreditToken.CreditToken_AuthorizationExpired.selector, NOW));
        vm.prank(stranger);
        _submit(signed, signature);
    }

    function test_RevertWhen_Replayed() public {
        Signed memory signed = _transferOf(1);
        bytes memory signature = _signAs(tenantKey, RECEIVE_TYPEHASH, signed);
        vm.startPrank(stranger);
        _submit(signed, signature);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditToken.CreditToken_AuthorizationUsed.selector, tenant, NONCE)
        );
        _submit(signed, signature);
    }

    function _submit(Signed memory signed, bytes memory signature) private {
        token.receiveWithAuthorization(
            signed.from,
            signed.to,
            signed.amountNano,
            signed.validAfter,
            signed.validBefore,
            signed.nonce,
            signature
        );
    }
}
