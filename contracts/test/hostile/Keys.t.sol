// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {UsageReceipts} from "../../src/UsageReceipts.sol";
import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {Line} from "../../src/types/Line.sol";
import {BlsSigner} from "../utils/BlsSigner.sol";
import {SystemTest} from "../utils/SystemTest.sol";

/// @notice Public keys that are no keys, offered by a governor who was deceived or by a submitter: off the curve, off the
/// subgroup, at infinity, in another encoding, of another length. The points are EIP-2537's own.
contract HostileKeysTest is SystemTest {
    uint256 private constant GAS = 3_000_000;

    bytes[] private _badKeys;
    bytes[] private _badProofs;
    bytes private _newKey;
    bytes private _newProof;

    function setUp() public override {
        super.setUp();
        _newKey = BlsSigner.publicKeyOf(77);
        _newProof = BlsSigner.provePossession(77);
        string memory json = vm.readFile("contracts/test/vectors/eip-2537/fail-pairing_check_bls.json");
        _badKeys.push(_keyOf(json, "[5]", "bls_pairing_e(0,G2_invalid_field_element)"));
        _badKeys.push(_keyOf(json, "[11]", "bls_pairing_e(0,G2_not_on_curve)"));
        _badKeys.push(_keyOf(json, "[17]", "bls_pairing_e(0,G2_not_in_correct_subgroup)"));
        _badKeys.push(new bytes(256));
        bytes memory topBytes = bytes.concat(_newKey);
        topBytes[0] = 0x10;
        _badKeys.push(topBytes);
        _badKeys.push("");
        _badKeys.push(new bytes(255));
        _badKeys.push(bytes.concat(_newKey, hex"00"));
        _badKeys.push(bytes.concat(_newKey, new bytes(256)));

        bytes memory offCurve = bytes.concat(_newProof);
        offCurve[127] = bytes1(uint8(offCurve[127]) ^ 1);
        bytes memory offSubgroup = new bytes(128);
        offSubgroup[127] = 0x02;
        _badProofs.push(offCurve);
        _badProofs.push(offSubgroup);
        _badProofs.push(new bytes(128));
        _badProofs.push(BlsSigner.addModulusToX(_newProof));
        _badProofs.push(BlsSigner.negate(_newProof));
        _badProofs.push("");
        _badProofs.push(bytes.concat(_newProof, hex"00"));
        // Who knows only a signature of the key has no proof.
        _badProofs.push(BlsSigner.sign(77, keccak256(_newKey)));
        _badProofs.push(BlsSigner.provePossession(78));
    }

    function test_InvalidKeysReplaceNoKeyAndOpenNoLane() public {
        bytes32 before = _laneHash();
        for (uint256 i = 0; i < _badKeys.length; ++i) {
            _expectNoKey(_badKeys[i], _newProof);
            _expectNoKey(_badKeys[i], new bytes(128));
            for (uint256 k = 0; k < _badProofs.length; ++k) {
                _expectNoRotation(_badKeys[i], _badProofs[k]);
            }
        }
        assertEq(_laneHash(), before);
        vm.prank(address(system.governor));
        assertEq(system.receipts.rotateKey(0, _newKey, _newProof), 2);
    }

    function test_InvalidProofsReplaceNoKeyAndOpenNoLane() public {
        bytes32 before = _laneHash();
        for (uint256 i = 0; i < _badProofs.length; ++i) {
            _expectNoKey(_newKey, _badProofs[i]);
        }
        assertEq(_laneHash(), before);
    }

    function test_NothingIsDeployedUnderAnInvalidKey() public {
        for (uint256 i = 0; i < _badKeys.length; ++i) {
            vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidPossessionProof.selector);
            new UsageReceipts(address(system.governor), address(system.treasury), _badKeys[i], new bytes(128));
        }
    }

    /// @dev The lane keeps a hash of its key, so nothing but the very bytes of the key get as far as the pairing.
    function test_InvalidKeysSubmitNothing() public {
        skip(60);
        BatchHeader memory header = headerFor(new Line[](0));
        bytes memory signature = signHeader(header);
        bytes[] memory keys = _badKeys;
        for (uint256 i = 0; i < keys.length; ++i) {
            _expectUnknown(header, signature, keys[i]);
            _expectUnknown(header, new bytes(128), keys[i]);
        }
        _expectUnknown(header, signature, bytes.concat(aggregatorPublicKey, hex"00"));
        _expectUnknown(header, signature, _nonCanonical(aggregatorPublicKey));
        system.receipts.submit(header, new Line[](0), signature, aggregatorPublicKey);
    }

    /// @dev Even a lane whose hash were that of an invalid key would accept nothing: the signature check stands alone.
    function test_LaneWithAnInvalidKeyWouldAcceptNothing() public {
        skip(60);
        for (uint256 i = 0; i < _badKeys.length; ++i) {
            uint256 before = vm.snapshotState();
            // The pairing says yes to the possession proof alone; what has another length never gets there.
            vm.mockCall(address(0x0f), bytes(""), abi.encode(uint256(1)));
            vm.prank(address(system.governor));
            try system.receipts.rotateKey(0, _badKeys[i], _newProof) {
                vm.clearMockedCalls();
                BatchHeader memory header = headerFor(new Line[](0));
                bytes memory signature = signHeader(header);
                vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidSignature.selector);
                system.receipts.submit{gas: GAS}(header, new Line[](0), signature, _badKeys[i]);
            } catch (bytes memory reason) {
                vm.clearMockedCalls();
                assertEq(bytes4(reason), IUsageReceipts.UsageReceipts_InvalidPossessionProof.selector);
                assertTrue(_badKeys[i].length != 256 || keccak256(_badKeys[i]) == keccak256(new bytes(256)));
            }
            vm.revertToState(before);
        }
    }

    function _expectNoKey(bytes memory publicKey, bytes memory proof) private {
        _expectNoRotation(publicKey, proof);
        vm.prank(address(system.governor));
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidPossessionProof.selector);
        system.receipts.openLane{gas: GAS}(1, publicKey, proof);
    }

    function _expectNoRotation(bytes memory publicKey, bytes memory proof) private {
        vm.prank(address(system.governor));
        vm.expectRevert(IUsageReceipts.UsageReceipts_InvalidPossessionProof.selector);
        system.receipts.rotateKey{gas: GAS}(0, publicKey, proof);
    }

    function _expectUnknown(BatchHeader memory header, bytes memory signature, bytes memory publicKey)
        private
    {
        vm.expectRevert(
            abi.encodeWithSelector(IUsageReceipts.UsageReceipts_UnknownKey.selector, keccak256(publicKey))
        );
        system.receipts.submit(header, new Line[](0), signature, publicKey);
    }

    function _laneHash() private view returns (bytes32) {
        return keccak256(abi.encode(system.receipts.laneOf(0), system.receipts.laneOf(1)));
    }

    /// @dev The key's first coordinate with the modulus added: the same point to who does not look.
    function _nonCanonical(bytes memory publicKey) private pure returns (bytes memory shifted) {
        shifted = bytes.concat(publicKey);
        bytes memory half = new bytes(128);
        for (uint256 i = 0; i < 128; ++i) {
            half[i] = publicKey[i];
        }
        half = BlsSigner.addModulusToX(half);
        for (uint256 i = 0; i < 128; ++i) {
            shifted[i] = half[i];
        }
    }

    /// @dev The G2 point of the vector's one pair.
    function _keyOf(string memory json, string memory at, string memory name)
        private
        pure
        returns (bytes memory publicKey)
    {
        assertEq(vm.parseJsonString(json, string.concat("$", at, ".Name")), name);
        bytes memory pair =
            vm.parseBytes(string.concat("0x", vm.parseJsonString(json, string.concat("$", at, ".Input"))));
        publicKey = new bytes(256);
        for (uint256 i = 0; i < 256; ++i) {
            publicKey[i] = pair[128 + i];
        }
    }
}
