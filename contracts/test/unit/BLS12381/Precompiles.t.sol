// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {BLS12381} from "../../../src/libraries/BLS12381.sol";
import {Bls12381Harness} from "../../utils/Bls12381Harness.sol";

/// @notice A precompile that fails, or answers with nothing as an address without code does, must never pass for one
/// that worked.
contract PrecompilesTest is Test {
    address private constant SHA256 = address(0x02);
    address private constant MODEXP = address(0x05);
    address private constant G1_ADD = address(0x0b);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_TO_G1 = address(0x10);

    Bls12381Harness private _harness = new Bls12381Harness();

    function test_RevertWhen_APrecompileOfTheHashFails() public {
        address[4] memory precompiles = [SHA256, MODEXP, G1_ADD, MAP_TO_G1];
        for (uint256 i = 0; i < precompiles.length; ++i) {
            vm.mockCallRevert(precompiles[i], bytes(""), bytes(""));
            vm.expectRevert(BLS12381.BLS12381_PrecompileFailed.selector);
            _harness.hashToG1("message", BLS12381.SIGNATURE_DST);
            vm.clearMockedCalls();
        }
        assertEq(_harness.hashToG1("message", BLS12381.SIGNATURE_DST).length, 128);
    }

    function test_RevertWhen_APrecompileOfTheHashAnswersWithNothing() public {
        address[3] memory precompiles = [MODEXP, G1_ADD, MAP_TO_G1];
        for (uint256 i = 0; i < precompiles.length; ++i) {
            vm.mockCall(precompiles[i], bytes(""), bytes(""));
            vm.expectRevert(BLS12381.BLS12381_PrecompileFailed.selector);
            _harness.hashToG1("message", BLS12381.SIGNATURE_DST);
            vm.clearMockedCalls();
        }
    }

    /// @dev What comes after it is made to succeed on anything, so that nothing but the check of this one answer decides.
    function test_RevertWhen_AnAnswerIsOfAnotherLengthAndTheRestSucceeds() public {
        uint256[4] memory lengths = [uint256(0), 63, 65, 127];
        for (uint256 i = 0; i < lengths.length; ++i) {
            _expectRefusalOf(MODEXP, new bytes(lengths[i]));
            _expectRefusalOf(MAP_TO_G1, new bytes(lengths[i]));
            _expectRefusalOf(G1_ADD, new bytes(lengths[i]));
        }
    }

    /// @dev Only a successful answer of one word that is one is a yes.
    function test_Verify_IsFalseUnlessThePairingSaysOne() public {
        assertFalse(_verdictOf(bytes("")));
        assertFalse(_verdictOf(abi.encode(uint256(0))));
        assertFalse(_verdictOf(abi.encode(uint256(2))));
        assertFalse(_verdictOf(abi.encodePacked(new bytes(31), uint16(0x100))));
        assertFalse(_verdictOf(abi.encode(uint256(1), uint256(0))));
        assertFalse(_verdictOf(abi.encodePacked(bytes31(0))));
        assertTrue(_verdictOf(abi.encode(uint256(1))));
        vm.mockCallRevert(PAIRING, bytes(""), abi.encode(uint256(1)));
        assertFalse(_verify());
    }

    function _expectRefusalOf(address precompile, bytes memory answer) private {
        vm.mockCall(MODEXP, bytes(""), new bytes(64));
        vm.mockCall(MAP_TO_G1, bytes(""), new bytes(128));
        vm.mockCall(G1_ADD, bytes(""), new bytes(128));
        assertEq(_harness.hashToG1("message", BLS12381.SIGNATURE_DST), new bytes(128));
        vm.mockCall(precompile, bytes(""), answer);
        vm.expectRevert(BLS12381.BLS12381_PrecompileFailed.selector);
        _harness.hashToG1("message", BLS12381.SIGNATURE_DST);
        bytes memory complete = new bytes(precompile == MODEXP ? 64 : 128);
        vm.mockCallRevert(precompile, bytes(""), complete);
        vm.expectRevert(BLS12381.BLS12381_PrecompileFailed.selector);
        _harness.hashToG1("message", BLS12381.SIGNATURE_DST);
        vm.clearMockedCalls();
    }

    function _verdictOf(bytes memory answer) private returns (bool) {
        vm.mockCall(PAIRING, bytes(""), answer);
        return _verify();
    }

    function _verify() private view returns (bool) {
        return _harness.verify(
            keccak256("message"),
            abi.encodePacked(new bytes(127), uint8(1)),
            abi.encodePacked(new bytes(255), uint8(1))
        );
    }
}
