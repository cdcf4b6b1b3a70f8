// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {BLS12381} from "../../../src/libraries/BLS12381.sol";
import {Bls12381Harness} from "../../utils/Bls12381Harness.sol";

contract HashToG1Test is Test {
    Bls12381Harness private _bls = new Bls12381Harness();

    function test_Rfc9380_AppendixJ9_1() public view {
        string memory json = vm.readFile("contracts/test/vectors/rfc9380.json");
        bytes memory dst = bytes(vm.parseJsonString(json, ".dst"));
        string[] memory messages = vm.parseJsonStringArray(json, ".messages");
        bytes[] memory points = vm.parseJsonBytesArray(json, ".points");
        assertEq(messages.length, 5);
        for (uint256 i = 0; i < messages.length; ++i) {
            assertEq(_withoutPadding(_bls.hashToG1(bytes(messages[i]), dst)), points[i], messages[i]);
        }
    }

    function test_RevertWhen_DstIsLongerThan255Bytes() public {
        vm.expectRevert(abi.encodeWithSelector(BLS12381.BLS12381_DstTooLong.selector, 256));
        _bls.hashToG1("message", new bytes(256));
        assertEq(_bls.hashToG1("message", new bytes(255)).length, 128);
    }

    /// @dev Where a chain lacks EIP-2537, a call to the precompile's address succeeds and answers with nothing.
    function test_RevertWhen_ChainHasNoPrecompile() public {
        address[3] memory precompiles = [address(0x05), address(0x10), address(0x0b)];
        for (uint256 i = 0; i < precompiles.length; ++i) {
            vm.mockCall(precompiles[i], bytes(""), bytes(""));
            vm.expectRevert(BLS12381.BLS12381_PrecompileFailed.selector);
            _bls.hashToG1("message", "dst");
            vm.clearMockedCalls();
        }
        assertEq(_bls.hashToG1("message", "dst").length, 128);
    }

    function testFuzz_TagSeparates(bytes memory message) public view {
        bytes memory signature = _bls.hashToG1(message, BLS12381.SIGNATURE_DST);
        bytes memory possession = _bls.hashToG1(message, BLS12381.POSSESSION_DST);
        assertNotEq(keccak256(signature), keccak256(possession));
    }

    /// @dev Drops the sixteen zero bytes EIP-2537 puts before each coordinate.
    function _withoutPadding(bytes memory point) private pure returns (bytes memory stripped) {
        stripped = new bytes(96);
        for (uint256 i = 0; i < 48; ++i) {
            stripped[i] = point[16 + i];
            stripped[48 + i] = point[80 + i];
        }
    }
}
