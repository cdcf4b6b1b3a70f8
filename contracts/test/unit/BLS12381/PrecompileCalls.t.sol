// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {BLS12381} from "../../../src/libraries/BLS12381.sol";
import {Bls12381Harness} from "../../utils/Bls12381Harness.sol";

/// @notice One call fails at a time, so that none can hide behind another that works.
contract PrecompileCallsTest is Test {
    address private constant SHA256 = address(0x02);
    address private constant MODEXP = address(0x05);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_TO_G1 = address(0x10);
    bytes private constant MODULUS =
        hex"000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";

    Bls12381Harness private _harness = new Bls12381Harness();
    bytes private _dst = bytes.concat(BLS12381.SIGNATURE_DST, bytes1(uint8(BLS12381.SIGNATURE_DST.length)));

    function test_RevertWhen_OneHashFails() public {
        bytes[5] memory calls = _hashCalls();
        for (uint256 i = 0; i < calls.length; ++i) {
            _expectFailureOf(SHA256, calls[i]);
        }
    }

    function test_RevertWhen_OneReductionOrMappingFails() public {
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory reduction = _reductionCalls()[i];
            (, bytes memory reduced) = MODEXP.staticcall(reduction);
            assertEq(reduced.length, 64);
            _expectFailureOf(MODEXP, reduction);
            _expectFailureOf(MAP_TO_G1, reduced);
        }
    }

    /// @dev The pairing is made to say yes, so that nothing but the check for infinity decides.
    function test_Verify_IsFiniteWhereAnyWordIsNotZero() public {
        vm.mockCall(PAIRING, bytes(""), abi.encode(uint256(1)));
        bytes memory one = abi.encodePacked(new bytes(31), uint8(1));
        bytes memory top = abi.encodePacked(uint8(0x80), new bytes(31));
        for (uint256 word = 0; word < 8; ++word) {
            bytes memory publicKey = bytes.concat(new bytes(32 * word), one, new bytes(32 * (7 - word)));
            assertTrue(_harness.verify("", _ones(128), publicKey));
            publicKey = bytes.concat(new bytes(32 * word), top, new bytes(32 * (7 - word)));
            assertTrue(_harness.verify("", _ones(128), publicKey));
        }
        for (uint256 word = 0; word < 4; ++word) {
            bytes memory signature = bytes.concat(new bytes(32 * word), one, new bytes(32 * (3 - word)));
            assertTrue(_harness.verify("", signature, _ones(256)));
            signature = bytes.concat(new bytes(32 * word), top, new bytes(32 * (3 - word)));
            assertTrue(_harness.verify("", signature, _ones(256)));
        }
    }

    function test_Verify_RefusesInfinityWhateverThePairingSays() public {
        vm.mockCall(PAIRING, bytes(""), abi.encode(uint256(1)));
        assertTrue(_harness.verify("", _ones(128), _ones(256)));
        assertFalse(_harness.verify("", new bytes(128), _ones(256)));
        assertFalse(_harness.verify("", _ones(128), new bytes(256)));
        assertFalse(_harness.verify(bytes32(type(uint256).max), new bytes(128), _ones(256)));
    }

    function _expectFailureOf(address precompile, bytes memory call_) private {
        vm.mockCallRevert(precompile, call_, bytes(""));
        vm.expectRevert(BLS12381.BLS12381_PrecompileFailed.selector);
        _harness.hashToG1("message", BLS12381.SIGNATURE_DST);
        vm.clearMockedCalls();
    }

    /// @dev What expand_message_xmd of RFC 9380 hashes, in order.
    function _hashCalls() private view returns (bytes[5] memory calls) {
        calls[0] = bytes.concat(new bytes(64), "message", hex"008000", _dst);
        bytes32 b0 = sha256(calls[0]);
        bytes32 last = 0;
        for (uint8 i = 1; i < 5; ++i) {
            calls[i] = bytes.concat(b0 ^ last, bytes1(i), _dst);
            last = sha256(calls[i]);
        }
    }

    function _reductionCalls() private view returns (bytes[2] memory calls) {
        bytes[5] memory hashed = _hashCalls();
        for (uint256 i = 0; i < 2; ++i) {
            calls[i] = bytes.concat(
                abi.encode(64, 1, 64), sha256(hashed[2 * i + 1]), sha256(hashed[2 * i + 2]), hex"01", MODULUS
            );
        }
    }

    function _ones(uint256 length) private pure returns (bytes memory filled) {
        filled = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            filled[i] = 0x01;
        }
    }
}
