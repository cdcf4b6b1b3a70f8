// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice BLS signatures over BLS12-381 with the signature on G1 and the public key on G2, on the precompiles of
/// EIP-2537. Hashing to the curve is `BLS12381G1_XMD:SHA-256_SSWU_RO_` of RFC 9380.
/// @dev Points are in the encoding of EIP-2537: 64 bytes per base field element, big-endian, the imaginary part of an
/// element of Fp2 last; the point at infinity is all zeros.
library BLS12381 {
    /// @dev Bytes of an encoded point.
    uint256 internal constant G1_LENGTH = 128;
    uint256 internal constant G2_LENGTH = 256;

    /// @dev Domain separation tag of signatures on messages.
    bytes internal constant SIGNATURE_DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
    /// @dev Domain separation tag of possession proofs.
    bytes internal constant POSSESSION_DST = "BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";

    /// @dev The base field's modulus, in the two words of its 64-byte encoding.
    uint256 private constant MODULUS_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant MODULUS_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;

    /// @dev The negated generator of G2, so that one product of two pairings decides a signature.
    uint256 private constant NEG_G2_X0_HIGH = 0x24aa2b2f08f0a91260805272dc51051;
    uint256 private constant NEG_G2_X0_LOW =
        0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8;
    uint256 private constant NEG_G2_X1_HIGH = 0x13e02b6052719f607dacd3a088274f65;
    uint256 private constant NEG_G2_X1_LOW =
        0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e;
    uint256 private constant NEG_G2_Y0_HIGH = 0xd1b3cc2c7027888be51d9ef691d77bc;
    uint256 private constant NEG_G2_Y0_LOW =
        0xb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa;
    uint256 private constant NEG_G2_Y1_HIGH = 0x13fa4d4a0ad8b1ce186ed5061789213d;
    uint256 private constant NEG_G2_Y1_LOW =
        0x993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed;

    error BLS12381_DstTooLong(uint256 length);
    error BLS12381_PrecompileFailed();

    /// @notice Whether `signature` is the key's signature on the 32-byte `message`.
    function verify(bytes32 message, bytes memory signature, bytes memory publicKey)
        internal
        view
        returns (bool)
    {
        return verifyUnder(abi.encodePacked(message), signature, publicKey, SIGNATURE_DST);
    }

    /// @notice Whether `proof` shows that somebody holds the secret of `publicKey`.
    /// @dev Warning: an aggregate of keys without such a proof accepts a rogue key.
    function verifyPossession(bytes memory proof, bytes memory publicKey) internal view returns (bool) {
        return verifyUnder(abi.encodePacked(keccak256(publicKey)), proof, publicKey, POSSESSION_DST);
    }

    /// @notice e(signature, -G2) * e(H(message), publicKey) == 1, with both points other than infinity.
    /// @dev The pairing precompile itself refuses elements above the modulus and points outside the curve or the
    /// subgroup. Warning: it then burns all the gas it was given, 63/64 of what is left.
    function verifyUnder(
        bytes memory message,
        bytes memory signature,
        bytes memory publicKey,
        bytes memory dst
    ) internal view returns (bool valid) {
        if (signature.length != G1_LENGTH || publicKey.length != G2_LENGTH) {
            return false;
        }
        if (isInfinity(signature) || isInfinity(publicKey)) return false;
        bytes memory hashed = hashToG1(message, dst);
        assembly ("memory-safe") {
            let input := mload(0x40)
            mcopy(input, add(signature, 0x20), 0x80)
            mstore(add(input, 0x80), NEG_G2_X0_HIGH)
            mstore(add(input, 0xa0), NEG_G2_X0_LOW)
            mstore(add(input, 0xc0), NEG_G2_X1_HIGH)
            mstore(add(input, 0xe0), NEG_G2_X1_LOW)
            mstore(add(input, 0x100), NEG_G2_Y0_HIGH)
            mstore(add(input, 0x120), NEG_G2_Y0_LOW)
            mstore(add(input, 0x140), NEG_G2_Y1_HIGH)
            mstore(add(input, 0x160), NEG_G2_Y1_LOW)
            mcopy(add(input, 0x180), add(hashed, 0x20), 0x80)
            mcopy(add(input, 0x200), add(publicKey, 0x20), 0x100)
            mstore(0, 0)
            let succeeded := staticcall(gas(), 0x0f, input, 0x300, 0, 0x20)
            valid := and(and(succeeded, eq(returndatasize(), 0x20)), eq(mload(0), 1))
        }
    }

    /// @notice hash_to_curve of RFC 9380 section 3 for the suite `BLS12381G1_XMD:SHA-256_SSWU_RO_`.
    function hashToG1(bytes memory message, bytes memory dst) internal view returns (bytes memory point) {
        (bytes32 u0High, bytes32 u0Low, bytes32 u1High, bytes32 u1Low) = _expandMessage(message, dst);
        point = new bytes(G1_LENGTH);
        bool succeeded;
        assembly ("memory-safe") {
            // Reduces a 64-byte integer with MODEXP (exponent 1) and maps it with MAP_FP_TO_G1, cofactor cleared.
            function map(buffer, high, low, output) -> ok {
                mstore(buffer, 0x40)
                mstore(add(buffer, 0x20), 1)
                mstore(add(buffer, 0x40), 0x40)
                mstore(add(buffer, 0x60), high)
                mstore(add(buffer, 0x80), low)
                mstore8(add(buffer, 0xa0), 1)
                mstore(add(buffer, 0xa1), MODULUS_HIGH)
                mstore(add(buffer, 0xc1), MODULUS_LOW)
                ok := staticcall(gas(), 0x05, buffer, 0xe1, buffer, 0x40)
                if and(ok, eq(returndatasize(), 0x40)) {
                    ok := staticcall(gas(), 0x10, buffer, 0x40, output, 0x80)
                }
                ok := and(ok, eq(returndatasize(), 0x80))
            }
            let points := mload(0x40)
            let scratch := add(points, 0x100)
            succeeded := map(scratch, u0High, u0Low, points)
            if succeeded { succeeded := map(scratch, u1High, u1Low, add(points, 0x80)) }
            if succeeded { succeeded := staticcall(gas(), 0x0b, points, 0x100, add(point, 0x20), 0x80) }
            succeeded := and(succeeded, eq(returndatasize(), 0x80))
        }
        // A chain without EIP-2537 gets here: there the precompile's address answers with nothing.
        if (!succeeded) revert BLS12381_PrecompileFailed();
    }

    /// @notice Whether every byte is zero.
    function isInfinity(bytes memory point) internal pure returns (bool) {
        uint256 bits;
        assembly ("memory-safe") {
            let end := add(add(point, 0x20), mload(point))
            for { let word := add(point, 0x20) } lt(word, end) { word := add(word, 0x20) } {
                bits := or(bits, mload(word))
            }
        }
        return bits == 0;
    }

    /// @dev expand_message_xmd of RFC 9380 section 5.3.1 with SHA-256 and an output of 128 bytes.
    function _expandMessage(bytes memory message, bytes memory dst)
        private
        view
        returns (bytes32 b1, bytes32 b2, bytes32 b3, bytes32 b4)
    {
        if (dst.length > 255) revert BLS12381_DstTooLong(dst.length);
        bool succeeded;
        assembly ("memory-safe") {
            function sha(input, size) -> digest, ok {
                ok := staticcall(gas(), 0x02, input, size, 0, 0x20)
                digest := mload(0)
            }
            // b0 = H(64 zero bytes || message || 0x0080 || 0x00 || dst || length of dst)
            let buffer := mload(0x40)
            mstore(buffer, 0)
            mstore(add(buffer, 0x20), 0)
            mcopy(add(buffer, 0x40), add(message, 0x20), mload(message))
            let tail := add(add(buffer, 0x40), mload(message))
            mstore(tail, shl(232, 0x008000))
            let dstLength := mload(dst)
            mcopy(add(tail, 3), add(dst, 0x20), dstLength)
            mstore8(add(add(tail, 3), dstLength), dstLength)
            let b0, ok := sha(buffer, sub(add(add(tail, 4), dstLength), buffer))

            // b(i) = H((b0 xor b(i - 1)) || i || dst || length of dst), where b(0) counts as zero for b(1)
            mcopy(add(buffer, 0x21), add(dst, 0x20), dstLength)
            mstore8(add(add(buffer, 0x21), dstLength), dstLength)
            let size := add(0x22, dstLength)
            succeeded := ok
            mstore(buffer, b0)
            mstore8(add(buffer, 0x20), 1)
            b1, ok := sha(buffer, size)
            succeeded := and(succeeded, ok)
            mstore(buffer, xor(b0, b1))
            mstore8(add(buffer, 0x20), 2)
            b2, ok := sha(buffer, size)
            succeeded := and(succeeded, ok)
            mstore(buffer, xor(b0, b2))
            mstore8(add(buffer, 0x20), 3)
            b3, ok := sha(buffer, size)
            succeeded := and(succeeded, ok)
            mstore(buffer, xor(b0, b3))
            mstore8(add(buffer, 0x20), 4)
            b4, ok := sha(buffer, size)
            succeeded := and(succeeded, ok)
        }
        if (!succeeded) revert BLS12381_PrecompileFailed();
    }
}
