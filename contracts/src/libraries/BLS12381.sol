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

    /// @dev Bytes of two pairs, and where in them the hashed message is.
    uint256 private constant PAIRING_LENGTH = 0x300;
    uint256 private constant HASHED_OFFSET = 0x180;

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
        return verifyUnder(message, signature, publicKey, SIGNATURE_DST);
    }

    /// @notice Whether `proof` shows that somebody holds the secret of `publicKey`.
    /// @dev Warning: an aggregate of keys without such a proof accepts a rogue key.
    function verifyPossession(bytes memory proof, bytes memory publicKey) internal view returns (bool) {
        return verifyUnder(keccak256(publicKey), proof, publicKey, POSSESSION_DST);
    }

    /// @notice e(signature, -G2) * e(H(message), publicKey) == 1, with both points other than infinity.
    /// @dev The pairing precompile itself refuses elements above the modulus and points outside the curve or the
    /// subgroup. Warning: it then burns all the gas it was given, 63/64 of what is left.
    function verifyUnder(bytes32 message, bytes memory signature, bytes memory publicKey, bytes memory dst)
        internal
        view
        returns (bool valid)
    {
        if (signature.length != G1_LENGTH || publicKey.length != G2_LENGTH) {
            return false;
        }
        uint256 input;
        uint256 hashed;
        bool isFinite;
        assembly ("memory-safe") {
            input := mload(0x40)
            mstore(0x40, add(input, PAIRING_LENGTH))
            mcopy(input, add(signature, 0x20), 0x80)
            mstore(add(input, 0x80), NEG_G2_X0_HIGH)
            mstore(add(input, 0xa0), NEG_G2_X0_LOW)
            mstore(add(input, 0xc0), NEG_G2_X1_HIGH)
            mstore(add(input, 0xe0), NEG_G2_X1_LOW)
            mstore(add(input, 0x100), NEG_G2_Y0_HIGH)
            mstore(add(input, 0x120), NEG_G2_Y0_LOW)
            mstore(add(input, 0x140), NEG_G2_Y1_HIGH)
            mstore(add(input, 0x160), NEG_G2_Y1_LOW)
            // The message is hashed from where its point will be.
            hashed := add(input, HASHED_OFFSET)
            mstore(hashed, message)
            mcopy(add(input, 0x200), add(publicKey, 0x20), 0x100)
            // Infinity is encoded as zeros alone, in the signature or in both halves of the key.
            let bits := or(mload(input), mload(add(input, 0x20)))
            isFinite := gt(or(bits, or(mload(add(input, 0x40)), mload(add(input, 0x60)))), 0)
            bits := or(mload(add(input, 0x200)), mload(add(input, 0x220)))
            bits := or(bits, or(mload(add(input, 0x240)), mload(add(input, 0x260))))
            bits := or(bits, or(mload(add(input, 0x280)), mload(add(input, 0x2a0))))
            bits := or(bits, or(mload(add(input, 0x2c0)), mload(add(input, 0x2e0))))
            isFinite := and(isFinite, gt(bits, 0))
        }
        if (!isFinite) return false;
        _hashTo(hashed, 0x20, dst, hashed);
        assembly ("memory-safe") {
            mstore(0, 0)
            let succeeded := staticcall(gas(), 0x0f, input, PAIRING_LENGTH, 0, 0x20)
            valid := and(and(succeeded, eq(returndatasize(), 0x20)), eq(mload(0), 1))
        }
    }

    /// @notice hash_to_curve of RFC 9380 section 3 for the suite `BLS12381G1_XMD:SHA-256_SSWU_RO_`.
    function hashToG1(bytes memory message, bytes memory dst) internal view returns (bytes memory point) {
        point = new bytes(G1_LENGTH);
        uint256 at;
        uint256 output;
        assembly ("memory-safe") {
            at := add(message, 0x20)
            output := add(point, 0x20)
        }
        _hashTo(at, message.length, dst, output);
    }

    /// @dev Hashes the `size` bytes of memory at `message`, and writes the 128 bytes of the point to `output`.
    function _hashTo(uint256 message, uint256 size, bytes memory dst, uint256 output) private view {
        bool succeeded = _expand(message, size, dst);
        assembly ("memory-safe") {
            // Free memory: the input of MODEXP (225 bytes), around the first element, and from 0x100 two points. The
            // second element waits where the second point will be.
            let work := mload(0x40)
            let points := add(work, 0x100)

            // Reduces the element with MODEXP (exponent 1) and maps it with MAP_FP_TO_G1, which clears the cofactor.
            function map(input, mapped) -> ok {
                ok := staticcall(gas(), 0x05, input, 0xe1, add(input, 0x60), 0x40)
                ok := and(ok, eq(returndatasize(), 0x40))
                if ok { ok := staticcall(gas(), 0x10, add(input, 0x60), 0x40, mapped, 0x80) }
                ok := and(ok, eq(returndatasize(), 0x80))
            }
            mstore(work, 0x40)
            mstore(add(work, 0x20), 1)
            mstore(add(work, 0x40), 0x40)
            mstore8(add(work, 0xa0), 1)
            mstore(add(work, 0xa1), MODULUS_HIGH)
            mstore(add(work, 0xc1), MODULUS_LOW)
            succeeded := and(succeeded, map(work, points))
            mcopy(add(work, 0x60), add(points, 0x80), 0x40)
            succeeded := and(succeeded, map(work, add(points, 0x80)))
            if succeeded { succeeded := staticcall(gas(), 0x0b, points, 0x100, output, 0x80) }
            succeeded := and(succeeded, eq(returndatasize(), 0x80))
        }
        // A chain without EIP-2537 gets here: there the precompile's address answers with nothing.
        if (!succeeded) revert BLS12381_PrecompileFailed();
    }

    /// @dev expand_message_xmd of RFC 9380 section 5.3.1 with SHA-256 and an output of 128 bytes, two field elements of
    /// 64: the first goes to 0x60 of the free memory, the second to 0x180, and what is between is not touched.
    function _expand(uint256 message, uint256 size, bytes memory dst) private view returns (bool succeeded) {
        if (dst.length > 255) revert BLS12381_DstTooLong(dst.length);
        assembly ("memory-safe") {
            let work := mload(0x40)
            let element := add(work, 0x60)
            let second := add(work, 0x180)
            let preimage := add(work, 0x200)

            // b0 = H(64 zero bytes || message || 0x0080 || 0x00 || dst || length of dst)
            let dstLength := mload(dst)
            mstore(preimage, 0)
            mstore(add(preimage, 0x20), 0)
            mcopy(add(preimage, 0x40), message, size)
            let tail := add(add(preimage, 0x40), size)
            mstore(tail, shl(232, 0x008000))
            tail := add(tail, 3)
            mcopy(tail, add(dst, 0x20), dstLength)
            mstore8(add(tail, dstLength), dstLength)
            succeeded := staticcall(
                gas(),
                0x02,
                preimage,
                add(sub(tail, preimage), add(dstLength, 1)),
                0,
                0x20
            )
            let b0 := mload(0)

            // then b(i) = H((b0 xor b(i - 1)) || i || dst || length of dst), where b(0) counts as zero for b(1).
            mcopy(add(preimage, 0x21), add(dst, 0x20), dstLength)
            mstore8(add(add(preimage, 0x21), dstLength), dstLength)
            size := add(0x22, dstLength)
            mstore(preimage, b0)
            mstore8(add(preimage, 0x20), 1)
            succeeded := and(succeeded, staticcall(gas(), 0x02, preimage, size, element, 0x20))
            mstore(preimage, xor(b0, mload(element)))
            mstore8(add(preimage, 0x20), 2)
            succeeded := and(succeeded, staticcall(gas(), 0x02, preimage, size, add(element, 0x20), 0x20))
            mstore(preimage, xor(b0, mload(add(element, 0x20))))
            mstore8(add(preimage, 0x20), 3)
            succeeded := and(succeeded, staticcall(gas(), 0x02, preimage, size, second, 0x20))
            mstore(preimage, xor(b0, mload(second)))
            mstore8(add(preimage, 0x20), 4)
            succeeded := and(succeeded, staticcall(gas(), 0x02, preimage, size, add(second, 0x20), 0x20))
        }
    }
}
