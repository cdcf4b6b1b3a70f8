// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {Bls12381Harness} from "../../utils/Bls12381Harness.sol";
import {BlsSigner} from "../../utils/BlsSigner.sol";

contract VerifyTest is Test {
    uint256 private constant ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;

    Bls12381Harness private _bls = new Bls12381Harness();
    bytes private _publicKey;
    bytes private _otherKey;
    bytes private _proof;
    bytes32 private _message;
    bytes private _signature;

    function setUp() public {
        string memory json = vm.readFile("contracts/test/vectors/bls.json");
        _publicKey = vm.parseJsonBytes(json, ".first.publicKey");
        _otherKey = vm.parseJsonBytes(json, ".second.publicKey");
        _proof = vm.parseJsonBytes(json, ".first.possessionProof");
        _message = vm.parseJsonBytes32(json, ".signatures[0].message");
        _signature = vm.parseJsonBytes(json, ".signatures[0].signature");
    }

    function test_AcceptsThresholdSignatureOfNoble() public {
        assertTrue(_bls.verify(_message, _signature, _publicKey));
        vm.snapshotGasLastCall("BLS12381", "verify");
        assertTrue(_bls.verifyPossession(_proof, _publicKey));
    }

    function test_RefusesOtherMessage() public view {
        assertFalse(_bls.verify(keccak256("other"), _signature, _publicKey));
    }

    function test_RefusesOtherKey() public view {
        assertFalse(_bls.verify(_message, _signature, _otherKey));
        assertFalse(_bls.verifyPossession(_proof, _otherKey));
    }

    function test_RefusesNegatedSignature() public view {
        bytes memory negated = BlsSigner.negate(_signature);
        assertFalse(_bls.verify(_message, negated, _publicKey));
    }

    function test_RefusesSignatureAsPossessionProof() public view {
        assertFalse(_bls.verifyPossession(_signature, _publicKey));
        assertFalse(_bls.verify(keccak256(_publicKey), _proof, _publicKey));
    }

    function test_RefusesInfinity() public view {
        assertFalse(_bls.verify(_message, new bytes(128), _publicKey));
        assertFalse(_bls.verify(_message, _signature, new bytes(256)));
        // Without the refusal this pair would satisfy the equation for every message.
        assertFalse(_bls.verify(_message, new bytes(128), new bytes(256)));
    }

    function test_RefusesWrongLengths() public view {
        assertFalse(_bls.verify(_message, bytes.concat(_signature, hex"00"), _publicKey));
        assertFalse(_bls.verify(_message, _signature, bytes.concat(_publicKey, hex"00")));
        assertFalse(_bls.verify(_message, "", _publicKey));
    }

    function test_RefusesPointOffTheCurve() public view {
        bytes memory offCurve = bytes.concat(_signature);
        offCurve[127] = bytes1(uint8(offCurve[127]) ^ 1);
        assertFalse(_bls.verify(_message, offCurve, _publicKey));
    }

    /// @dev (0, 2) is on the curve y^2 = x^3 + 4 but has order 3, so it is outside the subgroup.
    function test_RefusesPointOutsideTheSubgroup() public view {
        bytes memory smallOrder = new bytes(128);
        smallOrder[127] = 0x02;
        assertFalse(_bls.verify(_message, smallOrder, _publicKey));
    }

    function test_RefusesNonCanonicalCoordinate() public view {
        assertFalse(_bls.verify(_message, BlsSigner.addModulusToX(_signature), _publicKey));
    }

    function testFuzz_AcceptsOwnSignatureOnly(uint256 secret, bytes32 message, bytes32 other) public view {
        secret = bound(secret, 1, ORDER - 1);
        vm.assume(message != other);
        bytes memory publicKey = BlsSigner.publicKeyOf(secret);
        bytes memory signature = BlsSigner.sign(secret, message);
        assertTrue(_bls.verify(message, signature, publicKey));
        assertFalse(_bls.verify(other, signature, publicKey));
        assertTrue(_bls.verifyPossession(BlsSigner.provePossession(secret), publicKey));
    }
}
