// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixtureVault} from "../../utils/FixtureVault.sol";

/// @notice A tenant with five credits of its own, and what it signs under ERC-3009.
abstract contract FixtureAuthorization is FixtureVault {
    /// @dev The hashes ERC-3009 prints.
    bytes32 internal constant TRANSFER_TYPEHASH =
        0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267;
    bytes32 internal constant RECEIVE_TYPEHASH =
        0xd099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8;
    bytes32 internal constant CANCEL_TYPEHASH =
        0x158b0a9edf7a828aad02f63cd515c68ef2f50ba807396f6d12842833a1597429;
    bytes32 internal constant NONCE = keccak256("nonce");

    struct Signed {
        address from;
        address to;
        uint256 amountNano;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    function setUp() public virtual override {
        super.setUp();
        _giveTokens(tenant, 5 * CREDIT);
    }

    function _transferOf(uint256 amountNano) internal view returns (Signed memory) {
        return Signed({
            from: tenant,
            to: stranger,
            amountNano: amountNano,
            validAfter: NOW - 1,
            validBefore: NOW + 1,
            nonce: NONCE
        });
    }

    function _signAs(uint256 key, bytes32 typeHash, Signed memory signed)
        internal
        view
        returns (bytes memory)
    {
        return _signStruct(key, keccak256(abi.encode(typeHash, signed)));
    }

    function _signCancel(uint256 key, address authorizer) internal view returns (bytes memory) {
        return _signStruct(key, keccak256(abi.encode(CANCEL_TYPEHASH, authorizer, NONCE)));
    }

    function _signStruct(uint256 key, bytes32 structHash) private view returns (bytes memory) {
        return _sign(key, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }
}
