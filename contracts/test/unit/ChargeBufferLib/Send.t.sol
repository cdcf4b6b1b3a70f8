// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test, stdError} from "forge-std/Test.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {Book, BookLib} from "../../../src/libraries/BookLib.sol";
import {ChargeBuffer, ChargeBufferLib} from "../../../src/libraries/ChargeBufferLib.sol";
import {LineOutcome, LineStatus, LineTerms} from "../../../src/types/Line.sol";

/// @notice Builds a buffer and sends it, with something in memory behind it, which it must not touch.
contract ChargeBufferHarness {
    error Overwritten(bytes32 behind);

    function send(address vault, uint64 windowStart, uint256 capacity, ICreditVault.Charge[] calldata charges)
        external
        returns (ICreditVault.Charged[] memory results)
    {
        _litter();
        ChargeBuffer buffer = ChargeBufferLib.create(capacity);
        bytes32[] memory behind = new bytes32[](1);
        behind[0] = keccak256("behind");
        for (uint256 i = 0; i < charges.length; ++i) {
            buffer.push(charges[i].jobId, charges[i].amountNano, charges[i].isFinal);
        }
        buffer.send(vault, windowStart);
        if (behind.length != 1 || behind[0] != keccak256("behind")) revert Overwritten(behind[0]);
        results = new ICreditVault.Charged[](charges.length);
        Book memory book;
        book.result = buffer.firstResult();
        for (uint256 i = 0; i < charges.length; ++i) {
            LineOutcome outcome = BookLib.add(book, LineTerms.wrap(0));
            results[i] = ICreditVault.Charged(outcome.paidNano(), outcome.releasedNano(), outcome.status());
        }
    }

    /// @dev Free memory need not be zero: whoever allocates it must not rely on what lies there.
    function _litter() private pure {
        assembly ("memory-safe") {
            let free := mload(0x40)
            for { let at := 0 } lt(at, 0x800) { at := add(at, 0x20) } { mstore(add(free, at), not(0)) }
        }
    }
}

/// @notice A vault that keeps the call, and answers it as it was told to.
contract FixtureAnswer {
    bytes public heard;
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata call_) external returns (bytes memory) {
        heard = call_;
        return _answer;
    }
}

contract ChargeBufferSendTest is Test {
    address private constant VAULT = address(0xca11);
    uint64 private constant WINDOW_START = 1_800_000_000_000;

    ChargeBufferHarness private _harness = new ChargeBufferHarness();

    /// @dev The call is the compiler's own encoding, to the byte, and the answer is read as the compiler would.
    function testFuzz_Send_EncodesAndDecodesAsTheCompilerDoes(
        uint8 length,
        uint8 spare,
        uint64 windowStart,
        uint256 seed
    ) public {
        length %= 9;
        ICreditVault.Charge[] memory charges = _charges(length, seed);
        ICreditVault.Charged[] memory answer = _answer(length, seed);
        bytes memory expected = abi.encodeCall(ICreditVault.charge, (charges, windowStart));
        vm.etch(VAULT, hex"00");
        vm.mockCall(VAULT, expected, abi.encode(answer));
        vm.expectCall(VAULT, expected, 1);
        ICreditVault.Charged[] memory results =
            _harness.send(VAULT, windowStart, uint256(length) + spare % 4, charges);
        assertEq(abi.encode(results), abi.encode(answer));
    }

    /// @dev An expected call is compared as far as it goes; what follows it shows only to who is called.
    function testFuzz_Send_SendsNothingBehindTheCharges(uint8 length, uint64 windowStart, uint256 seed)
        public
    {
        length %= 9;
        ICreditVault.Charge[] memory charges = _charges(length, seed);
        FixtureAnswer vault = new FixtureAnswer(abi.encode(_answer(length, seed)));
        _harness.send(address(vault), windowStart, length, charges);
        assertEq(vault.heard(), abi.encodeCall(ICreditVault.charge, (charges, windowStart)));
    }

    /// @dev Memory is priced by its square, and a batch may have a thousand lines.
    function testFuzz_Create_TakesTheRoomOfItsChargesAndNoMore(uint16 capacity) public pure {
        uint256 free = _freeMemory();
        ChargeBuffer buffer = ChargeBufferLib.create(capacity);
        assertEq(ChargeBuffer.unwrap(buffer), free);
        assertEq(_freeMemory(), free + 0xa0 + 0x60 * uint256(capacity));
    }

    function test_RevertWhen_TheVaultReverts_WithItsReason() public {
        bytes memory reason = abi.encodeWithSelector(ICreditVault.CreditVault_NotTreasury.selector, this);
        vm.mockCallRevert(VAULT, abi.encodePacked(ICreditVault.charge.selector), reason);
        vm.expectRevert(reason);
        _harness.send(VAULT, WINDOW_START, 2, _charges(2, 1));
    }

    function test_RevertWhen_TheAnswerIsOfAnotherLength() public {
        for (uint256 length = 0; length < 5; ++length) {
            if (length == 2) continue;
            _expectUnexpected(abi.encode(_answer(length, 1)));
        }
        _expectUnexpected(bytes.concat(abi.encode(_answer(2, 1)), bytes32(0)));
        _expectUnexpected("");
    }

    function test_RevertWhen_TheAnswerCountsOtherwise() public {
        bytes memory answer = abi.encode(_answer(2, 1));
        for (uint256 count = 0; count < 5; ++count) {
            if (count == 2) continue;
            assembly ("memory-safe") {
                mstore(add(answer, 0x40), count)
            }
            _expectUnexpected(answer);
        }
    }

    function test_RevertWhen_TheStatusIsUnknown() public {
        ICreditVault.Charged[] memory answer = _answer(2, 1);
        bytes memory encoded = abi.encode(answer);
        assembly ("memory-safe") {
            mstore(add(encoded, 0xa0), 11)
        }
        vm.mockCall(VAULT, abi.encodePacked(ICreditVault.charge.selector), encoded);
        vm.expectRevert(stdError.enumConversionError);
        _harness.send(VAULT, WINDOW_START, 2, _charges(2, 1));
    }

    function _freeMemory() private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := mload(0x40)
        }
    }

    function _expectUnexpected(bytes memory answer) private {
        vm.mockCall(VAULT, abi.encodePacked(ICreditVault.charge.selector), answer);
        vm.expectRevert(ChargeBufferLib.ChargeBuffer_UnexpectedAnswer.selector);
        _harness.send(VAULT, WINDOW_START, 2, _charges(2, 1));
    }

    function _charges(uint256 length, uint256 seed)
        private
        pure
        returns (ICreditVault.Charge[] memory charges)
    {
        charges = new ICreditVault.Charge[](length);
        for (uint256 i = 0; i < length; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            charges[i] = ICreditVault.Charge(bytes32(random), uint64(random >> 8), random % 2 == 0);
        }
    }

    function _answer(uint256 length, uint256 seed)
        private
        pure
        returns (ICreditVault.Charged[] memory answer)
    {
        answer = new ICreditVault.Charged[](length);
        for (uint256 i = 0; i < length; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i, "answer")));
            answer[i] = ICreditVault.Charged(uint64(random), uint64(random >> 64), LineStatus(random % 11));
        }
    }
}
