// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {ICreditToken} from "../../../src/interfaces/ICreditToken.sol";
import {FixtureWallet} from "../../utils/FixtureWallet.sol";
import {FixtureAuthorization} from "./FixtureAuthorization.sol";

contract CreditTokenTransferWithAuthorizationTest is FixtureAuthorization {
    function test_TypeHashes_AreThoseOfTheStandard() public view {
        assertEq(token.TRANSFER_WITH_AUTHORIZATION_TYPEHASH(), TRANSFER_TYPEHASH);
        assertEq(token.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(), RECEIVE_TYPEHASH);
        assertEq(token.CANCEL_AUTHORIZATION_TYPEHASH(), CANCEL_TYPEHASH);
    }

    function testFuzz_TransferWithAuthorization_CanBeSubmittedByAnyone(address submitter, uint256 amountNano)
        public
    {
        amountNano = bound(amountNano, 0, 5 * CREDIT);
        Signed memory signed = _transferOf(amountNano);
        bytes memory signature = _signAs(tenantKey, TRANSFER_TYPEHASH, signed);
        assertFalse(token.authorizationState(tenant, NONCE));

        vm.expectEmit(address(token));
        emit ICreditToken.AuthorizationUsed(tenant, NONCE);
        vm.expectEmit(address(token));
        emit IERC20.Transfer(tenant, stranger, amountNano);
        vm.prank(submitter);
        _submit(signed, signature);

        assertEq(token.balanceOf(stranger), amountNano);
        assertEq(token.balanceOf(tenant), 5 * CREDIT - amountNano);
        assertTrue(token.authorizationState(tenant, NONCE));
        assertFalse(token.authorizationState(stranger, NONCE));
    }

    function test_TransferWithAuthorization_AcceptsASignatureInParts() public {
        Signed memory signed = _transferOf(CREDIT);
        (bytes32 r, bytes32 s, uint8 v) = _split(_signAs(tenantKey, TRANSFER_TYPEHASH, signed));
        token.transferWithAuthorization(
            signed.from, signed.to, CREDIT, signed.validAfter, signed.validBefore, NONCE, v, r, s
        );
        assertEq(token.balanceOf(stranger), CREDIT);
    }

    function test_TransferWithAuthorization_AcceptsAnErc1271Holder() public {
        address wallet = address(new FixtureWallet(tenant));
        _giveTokens(wallet, CREDIT);
        Signed memory signed = _transferOf(CREDIT);
        signed.from = wallet;
        _submit(signed, _signAs(tenantKey, TRANSFER_TYPEHASH, signed));
        assertEq(token.balanceOf(stranger), CREDIT);
    }

    function test_TransferWithAuthorization_NoncesAreIndependent() public {
        Signed memory first = _transferOf(1);
        Signed memory second = _transferOf(2);
        second.nonce = bytes32(0);
        _submit(second, _signAs(tenantKey, TRANSFER_TYPEHASH, second));
        _submit(first, _signAs(tenantKey, TRANSFER_TYPEHASH, first));
        assertEq(token.balanceOf(stranger), 3);
    }

    function testFuzz_RevertWhen_NotYetValid(uint256 validAfter) public {
        Signed memory signed = _transferOf(1);
        signed.validAfter = bound(validAfter, NOW, type(uint256).max);
        _expectRefusal(
            signed,
            abi.encodeWithSelector(
                ICreditToken.CreditToken_AuthorizationNotYetValid.selector, signed.validAfter
            )
        );
    }

    function testFuzz_RevertWhen_Expired(uint256 validBefore) public {
        Signed memory signed = _transferOf(1);
        signed.validBefore = bound(validBefore, 0, NOW);
        _expectRefusal(
            signed,
            abi.encodeWithSelector(ICreditToken.CreditToken_AuthorizationExpired.selector, signed.validBefore)
        );
    }

    function test_RevertWhen_Replayed() public {
        Signed memory signed = _transferOf(1);
        _submit(signed, _signAs(tenantKey, TRANSFER_TYPEHASH, signed));
        _expectRefusal(
            signed, abi.encodeWithSelector(ICreditToken.CreditToken_AuthorizationUsed.selector, tenant, NONCE)
        );
    }

    function testFuzz_RevertWhen_AnyMemberWasChanged(uint256 member) public {
        Signed memory signed = _transferOf(1);
        bytes memory signature = _signAs(tenantKey, TRANSFER_TYPEHASH, signed);
        member = bound(member, 0, 5);
        if (member == 0) signed.from = stranger;
        if (member == 1) signed.to = tenant;
        if (member == 2) signed.amountNano = 2;
        if (member == 3) signed.validAfter -= 1;
        if (member == 4) signed.validBefore += 1;
        if (member == 5) signed.nonce = "other";
        vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
        _submit(signed, signature);
    }

    function test_RevertWhen_AnotherKeySigned() public {
        (, uint256 otherKey) = makeAddrAndKey("other");
        Signed memory signed = _transferOf(1);
        bytes memory signature = _signAs(otherKey, TRANSFER_TYPEHASH, signed);
        vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
        _submit(signed, signature);
    }

    function test_RevertWhen_SIsHigh() public {
        Signed memory signed = _transferOf(1);
        bytes memory signature = _malleated(_signAs(tenantKey, TRANSFER_TYPEHASH, signed));
        vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
        _submit(signed, signature);
    }

    function test_RevertWhen_AReceiveAuthorizationIsUsedForATransfer() public {
        Signed memory signed = _transferOf(1);
        bytes memory signature = _signAs(tenantKey, RECEIVE_TYPEHASH, signed);
        vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
        _submit(signed, signature);
    }

    function test_RevertWhen_FromIsZero() public {
        Signed memory signed = _transferOf(1);
        signed.from = address(0);
        vm.expectRevert(ICreditToken.CreditToken_InvalidSignature.selector);
        _submit(signed, new bytes(65));
    }

    function test_RevertWhen_TheHolderHasTooFewTokens() public {
        Signed memory signed = _transferOf(5 * CREDIT + 1);
        _expectRefusal(
            signed,
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, tenant, 5 * CREDIT, 5 * CREDIT + 1
            )
        );
        assertFalse(token.authorizationState(tenant, NONCE));
    }

    function _submit(Signed memory signed, bytes memory signature) private {
        token.transferWithAuthorization(
            signed.from,
            signed.to,
            signed.amountNano,
            signed.validAfter,
            signed.validBefore,
            signed.nonce,
            signature
        );
    }

    function _expectRefusal(Signed memory signed, bytes memory refusal) private {
        bytes memory signature = _signAs(tenantKey, TRANSFER_TYPEHASH, signed);
        vm.expectRevert(refusal);
        _submit(signed, signature);
    }
}
