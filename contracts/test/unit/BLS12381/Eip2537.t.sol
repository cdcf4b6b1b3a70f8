// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {BLS12381} from "../../../src/libraries/BLS12381.sol";
import {Bls12381Harness} from "../../utils/Bls12381Harness.sol";
import {BlsSigner} from "../../utils/BlsSigner.sol";

/// @notice The published vectors of EIP-2537, on the precompiles and through the library that calls them. What the
/// library would compute itself is mocked where a vector says what it is: the reduced field element (MODEXP), the mapped
/// points (MAP_FP_TO_G1), the hashed message (G1ADD).
contract Eip2537Test is Test {
    address private constant MODEXP = address(0x05);
    address private constant G1_ADD = address(0x0b);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_TO_G1 = address(0x10);
    /// @dev A failing precompile burns what it was given.
    uint256 private constant GAS = 1_000_000;

    Bls12381Harness private _bls = new Bls12381Harness();

    function test_MapToG1_GivesTheExpectedPoints() public view {
        _expectAnswers(MAP_TO_G1, "map_fp_to_G1_bls", 5);
    }

    function test_MapToG1_RefusesInvalidElements() public view {
        _expectRefusals(MAP_TO_G1, "fail-map_fp_to_G1_bls", 5);
    }

    function test_G1Add_GivesTheExpectedSums() public view {
        _expectAnswers(G1_ADD, "add_G1_bls", 8);
    }

    function test_G1Add_RefusesInvalidPoints() public view {
        _expectRefusals(G1_ADD, "fail-add_G1_bls", 6);
    }

    function test_Pairing_GivesTheExpectedVerdicts() public view {
        _expectAnswers(PAIRING, "pairing_check_bls", 12);
    }

    function test_Pairing_RefusesInvalidPairs() public view {
        _expectRefusals(PAIRING, "fail-pairing_check_bls", 22);
    }

    /// @dev Both elements of the hash are the vector's, so the hash is twice its point.
    function test_HashToG1_MapsAsTheVectors() public {
        (bytes[] memory elements, bytes[] memory points) = _good("map_fp_to_G1_bls");
        for (uint256 i = 0; i < elements.length; ++i) {
            vm.mockCall(MODEXP, bytes(""), elements[i]);
            (, bytes memory doubled) = G1_ADD.staticcall(bytes.concat(points[i], points[i]));
            assertEq(_bls.hashToG1("message", "dst"), doubled);
        }
    }

    function test_HashToG1_AddsAsTheVectors() public {
        (bytes[] memory operands, bytes[] memory sums) = _good("add_G1_bls");
        bytes[] memory mapped = new bytes[](2);
        for (uint256 i = 0; i < operands.length; ++i) {
            (mapped[0], mapped[1]) = (_slice(operands[i], 0, 128), _slice(operands[i], 128, 256));
            vm.mockCalls(MAP_TO_G1, bytes(""), mapped);
            assertEq(_bls.hashToG1("message", "dst"), sums[i]);
        }
    }

    function test_HashToG1_RevertWhen_AnElementOrAPointIsInvalid() public {
        bytes[] memory elements = _inputs("fail-map_fp_to_G1_bls");
        for (uint256 i = 0; i < elements.length; ++i) {
            vm.mockCall(MODEXP, bytes(""), elements[i]);
            _expectHashFails();
        }
        vm.clearMockedCalls();
        bytes[] memory operands = _inputs("fail-add_G1_bls");
        bytes[] memory mapped = new bytes[](2);
        for (uint256 i = 3; i < operands.length; ++i) {
            (mapped[0], mapped[1]) = (_slice(operands[i], 0, 128), _slice(operands[i], 128, 256));
            vm.mockCalls(MAP_TO_G1, bytes(""), mapped);
            _expectHashFails();
        }
    }

    /// @dev Of the vectors of two pairs, those whose second is (S, -G2) are what `verify` asks for the signature S.
    function test_Verify_DecidesAsThePairingVectors() public {
        (bytes[] memory pairs, bytes[] memory verdicts) = _good("pairing_check_bls");
        uint256 verified;
        uint256 refused;
        for (uint256 i = 0; i < pairs.length; ++i) {
            if (!_isSignature(pairs[i])) continue;
            bool isValid = uint256(bytes32(verdicts[i])) == 1;
            assertEq(_verify(pairs[i]), isValid);
            if (isValid) verified += 1;
            else refused += 1;
        }
        assertEq(verified, 2);
        assertEq(refused, 2);
    }

    /// @dev Refused by the precompile itself, which shows in the gas: a wrong signature costs a pairing, no more.
    function test_Verify_IsFalseForEveryInvalidPair() public {
        bytes[] memory pairs = _inputs("fail-pairing_check_bls");
        uint256 refused;
        for (uint256 i = 0; i < pairs.length; ++i) {
            if (!_isSignature(pairs[i])) continue;
            uint256 before = gasleft();
            assertFalse(_verify(pairs[i]));
            assertGt(before - gasleft(), GAS * 9 / 10);
            refused += 1;
        }
        assertEq(refused, 7);
    }

    /// @dev What is invalid in a vector, as the signature or as the key beside a good one.
    function test_Verify_IsFalseForEveryInvalidPoint() public view {
        bytes[] memory pairs = _inputs("fail-pairing_check_bls");
        bytes memory publicKey = BlsSigner.publicKeyOf(1);
        bytes memory signature = BlsSigner.sign(1, "message");
        assertTrue(_bls.verify("message", signature, publicKey));
        for (uint256 i = 3; i < pairs.length; ++i) {
            bytes memory g1 = _slice(pairs[i], 0, 128);
            bytes memory g2 = _slice(pairs[i], 128, 384);
            assertFalse(_bls.verify{gas: GAS}("message", g1, g2));
            assertFalse(_bls.verify{gas: GAS}("message", g1, publicKey));
            bool isItsKey = keccak256(g2) == keccak256(publicKey);
            assertEq(_bls.verify{gas: GAS}("message", signature, g2), isItsKey);
            assertFalse(_bls.verifyPossession{gas: GAS}(g1, publicKey));
            assertFalse(_bls.verifyPossession{gas: GAS}(signature, g2));
        }
    }

    function _expectAnswers(address precompile, string memory name, uint256 count) private view {
        (bytes[] memory inputs, bytes[] memory expected) = _good(name);
        assertEq(inputs.length, count);
        for (uint256 i = 0; i < count; ++i) {
            (bool succeeded, bytes memory answer) = precompile.staticcall{gas: GAS}(inputs[i]);
            assertTrue(succeeded);
            assertEq(answer, expected[i]);
        }
    }

    function _expectRefusals(address precompile, string memory name, uint256 count) private view {
        bytes[] memory inputs = _inputs(name);
        assertEq(inputs.length, count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 before = gasleft();
            (bool succeeded, bytes memory answer) = precompile.staticcall{gas: GAS}(inputs[i]);
            assertFalse(succeeded);
            assertEq(answer.length, 0);
            assertGe(before - gasleft(), GAS);
        }
    }

    function _expectHashFails() private {
        vm.expectRevert(BLS12381.BLS12381_PrecompileFailed.selector);
        _bls.hashToG1{gas: GAS}("message", "dst");
    }

    function _isSignature(bytes memory pairs) private pure returns (bool) {
        if (pairs.length != 768) return false;
        bytes memory negated = bytes.concat(_slice(BlsSigner.G2_GENERATOR, 0, 128), _negatedY());
        return keccak256(_slice(pairs, 512, 768)) == keccak256(negated);
    }

    /// @dev The y of -G2, from the real part of it on.
    function _negatedY() private pure returns (bytes memory) {
        bytes memory generator = BlsSigner.G2_GENERATOR;
        bytes memory zero = new bytes(64);
        return bytes.concat(
            _slice(BlsSigner.negate(bytes.concat(zero, _slice(generator, 128, 192))), 64, 128),
            _slice(BlsSigner.negate(bytes.concat(zero, _slice(generator, 192, 256))), 64, 128)
        );
    }

    /// @dev The pairs (H, K) and (S, -G2): S as the signature of the message whose hash is H, under the key K.
    function _verify(bytes memory pairs) private returns (bool isValid) {
        vm.mockCall(G1_ADD, bytes(""), _slice(pairs, 0, 128));
        isValid = _bls.verify{gas: GAS}("message", _slice(pairs, 384, 512), _slice(pairs, 128, 384));
        vm.clearMockedCalls();
    }

    function _good(string memory name) private view returns (bytes[] memory inputs, bytes[] memory expected) {
        return (_inputs(name), _bytesOf(name, ".Expected"));
    }

    function _inputs(string memory name) private view returns (bytes[] memory) {
        return _bytesOf(name, ".Input");
    }

    /// @dev The vectors are hexadecimal without a prefix.
    function _bytesOf(string memory name, string memory member) private view returns (bytes[] memory values) {
        string memory json = vm.readFile(string.concat("contracts/test/vectors/eip-2537/", name, ".json"));
        uint256 count;
        while (vm.keyExistsJson(json, _at(count, ""))) {
            count += 1;
        }
        values = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            values[i] = vm.parseBytes(string.concat("0x", vm.parseJsonString(json, _at(i, member))));
        }
    }

    function _at(uint256 index, string memory member) private pure returns (string memory) {
        return string.concat("$[", vm.toString(index), "]", member);
    }

    function _slice(bytes memory source, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = 0; i < part.length; ++i) {
            part[i] = source[from + i];
        }
    }
}
