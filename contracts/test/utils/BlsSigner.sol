// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BLS12381} from "../../src/libraries/BLS12381.sol";

/// @notice Signs inside a test, with the multiplication precompiles of EIP-2537: any header can be signed, not only
/// those a vector was made for.
library BlsSigner {
    uint256 private constant MODULUS_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant MODULUS_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;

    bytes internal constant G2_GENERATOR = hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
        hex"000000000000000000000000000000000606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be";

    function publicKeyOf(uint256 secret) internal view returns (bytes memory publicKey) {
        return _call(address(0x0e), abi.encodePacked(G2_GENERATOR, secret));
    }

    function sign(uint256 secret, bytes32 message) internal view returns (bytes memory signature) {
        return _sign(secret, message, BLS12381.SIGNATURE_DST);
    }

    function provePossession(uint256 secret) internal view returns (bytes memory proof) {
        return _sign(secret, keccak256(publicKeyOf(secret)), BLS12381.POSSESSION_DST);
    }

    /// @dev -P has the same x and the modulus minus y.
    function negate(bytes memory point) internal pure returns (bytes memory negated) {
        negated = bytes.concat(point);
        (uint256 high, uint256 low) = _read(point, 64);
        uint256 borrow = low > MODULUS_LOW ? 1 : 0;
        unchecked {
            _write(negated, 64, MODULUS_HIGH - high - borrow, MODULUS_LOW - low);
        }
    }

    /// @dev The same point in an encoding that is not canonical.
    function addModulusToX(bytes memory point) internal pure returns (bytes memory shifted) {
        shifted = bytes.concat(point);
        (uint256 high, uint256 low) = _read(point, 0);
        unchecked {
            uint256 sum = low + MODULUS_LOW;
            _write(shifted, 0, high + MODULUS_HIGH + (sum < low ? 1 : 0), sum);
        }
    }

    function _read(bytes memory point, uint256 offset) private pure returns (uint256 high, uint256 low) {
        assembly ("memory-safe") {
            high := mload(add(add(point, 0x20), offset))
            low := mload(add(add(point, 0x40), offset))
        }
    }

    function _write(bytes memory point, uint256 offset, uint256 high, uint256 low) private pure {
        assembly ("memory-safe") {
            mstore(add(add(point, 0x20), offset), high)
            mstore(add(add(point, 0x40), offset), low)
        }
    }

    function _sign(uint256 secret, bytes32 message, bytes memory dst) private view returns (bytes memory) {
        bytes memory hashed = BLS12381.hashToG1(abi.encodePacked(message), dst);
        return _call(address(0x0c), abi.encodePacked(hashed, secret));
    }

    function _call(address precompile, bytes memory input) private view returns (bytes memory output) {
        bool succeeded;
        (succeeded, output) = precompile.staticcall(input);
        require(succeeded && output.length != 0, "precompile failed");
    }
}
