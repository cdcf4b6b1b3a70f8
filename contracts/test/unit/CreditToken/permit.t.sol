// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditTokenPermitTest is FixtureVault {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function testFuzz_Permit_SetsTheAllowanceOnce(uint256 amountNano, uint256 deadline) public {
        deadline = bound(deadline, NOW, type(uint256).max);
        (bytes32 r, bytes32 s, uint8 v) = _split(_permit(amountNano, deadline));
        token.permit(tenant, stranger, amountNano, deadline, v, r, s);
        assertEq(token.allowance(tenant, stranger), amountNano);
        assertEq(token.nonces(tenant), 1);

        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        token.permit(tenant, stranger, amountNano, deadline, v, r, s);
    }

    function test_RevertWhen_ThePermitExpired() public {
        (bytes32 r, bytes32 s, uint8 v) = _split(_permit(1, NOW - 1));
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612ExpiredSignature.selector, NOW - 1));
        token.permit(tenant, stranger, 1, NOW - 1, v, r, s);
    }

    function test_RevertWhen_ThePermitIsForAnotherAmount() public {
        (bytes32 r, bytes32 s, uint8 v) = _split(_permit(1, NOW));
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        token.permit(tenant, stranger, 2, NOW, v, r, s);
    }

    /// @dev What wallets show and sign; the other tests take the separator from the token itself.
    function test_DomainSeparator_IsThatOfEip712() public view {
        bytes32 expected = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Tokenised API Credit"),
                keccak256("1"),
                block.chainid,
                address(token)
            )
        );
        assertEq(token.DOMAIN_SEPARATOR(), expected);
    }

    function _permit(uint256 amountNano, uint256 deadline) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(PERMIT_TYPEHASH, tenant, stranger, amountNano, token.nonces(tenant), deadline)
        );
        return _sign(tenantKey, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }
}
