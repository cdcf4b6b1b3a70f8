// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {ChargeBuffer, ChargeBufferLib} from "../../../src/libraries/ChargeBufferLib.sol";
import {Cursor, CursorLib} from "../../../src/libraries/CursorLib.sol";
import {LineLib} from "../../../src/libraries/LineLib.sol";
import {Line} from "../../../src/types/Line.sol";

/// @notice Tries one line, between other lines, and tells what became of the cursor and the buffer.
contract CursorHarness {
    function chargePlain(Cursor memory cursor, Line[] calldata lines, uint256 index)
        external
        pure
        returns (bool isPlain, Cursor memory after_, uint256[] memory written)
    {
        ChargeBuffer charges = ChargeBufferLib.create(2);
        charges.push("earlier", 1, true);
        (uint256 at,) = LineLib.bounds(lines);
        isPlain = CursorLib.chargePlain(cursor, at + index * LineLib.SIZE, charges);
        after_ = cursor;
        uint256 first = ChargeBuffer.unwrap(charges);
        written = new uint256[](4);
        assembly ("memory-safe") {
            mstore(add(written, 0x20), mload(first))
            // Behind the number of charges, the head of four words, and the first charge.
            mcopy(add(written, 0x40), add(first, 0x100), 0x60)
        }
    }
}

contract CursorLibChargePlainTest is Test {
    CursorHarness private _harness = new CursorHarness();

    /// @dev The rules of the short way, read in plain Solidity.
    function testFuzz_ChargesThePlainLineAlone(
        uint256 seed,
        uint32 providerId,
        uint64 amountNano,
        uint64 roomNano,
        uint128 leftNano
    ) public view {
        // Every byte of this id is alike, and a receipt count can continue it: a field read a byte off still fits.
        if (seed % 2 == 0) providerId = 0x01010101;
        Cursor memory cursor = Cursor({
            providerId: seed % 3 == 0 ? providerId ^ uint256(1) << (seed >> 8) % 33 : providerId,
            jobId: bytes32(uint256(1000)),
            isActive: seed % 5 != 0,
            roomNano: roomNano,
            leftNano: leftNano
        });
        if (seed % 7 < 5) amountNano = uint64(bound(amountNano, 0, roomNano));
        if (seed % 11 < 7) cursor.leftNano = bound(leftNano, amountNano, type(uint128).max);
        Line memory line_ = Line({
            jobId: bytes32(999 + (seed >> 16) % 4),
            terms: LineLib.packTerms(amountNano, 0x01010101, providerId, (seed >> 24) % 2 == 0)
        });
        _expect(cursor, line_);
    }

    function test_TakesALineOfAllThatIsLeft() public view {
        _expect(_cursor(500, 700), _line(500));
        _expect(_cursor(700, 500), _line(500));
        _expect(_cursor(0, 0), _line(0));
    }

    function test_LeavesWhatIsAboveTheRoomOrTheTotal() public view {
        _expect(_cursor(499, 700), _line(500));
        _expect(_cursor(700, 499), _line(500));
        _expect(_cursor(type(uint64).max - 1, type(uint128).max), _line(type(uint64).max));
    }

    function _expect(Cursor memory cursor, Line memory line_) private view {
        uint256 amountNano = LineLib.amountNano(line_.terms);
        bool expected = LineLib.providerId(line_.terms) == cursor.providerId && cursor.isActive
            && line_.jobId > cursor.jobId && amountNano <= cursor.roomNano && amountNano <= cursor.leftNano;
        Line[] memory lines = new Line[](3);
        (lines[0], lines[1], lines[2]) = (_line(1), line_, _line(2));

        (bool isPlain, Cursor memory after_, uint256[] memory written) =
            _harness.chargePlain(cursor, lines, 1);

        assertEq(isPlain, expected, "isPlain");
        assertEq(written[0], expected ? 2 : 1, "charges");
        if (expected) {
            cursor.jobId = line_.jobId;
            cursor.roomNano -= amountNano;
            cursor.leftNano -= amountNano;
            assertEq(bytes32(written[1]), line_.jobId, "jobId");
            assertEq(written[2], amountNano, "amountNano");
            assertEq(written[3], LineLib.isFinal(line_.terms) ? 1 : 0, "isFinal");
        }
        assertEq(abi.encode(after_), abi.encode(cursor), "cursor");
    }

    function _cursor(uint256 roomNano, uint256 leftNano) private pure returns (Cursor memory) {
        return Cursor(7, bytes32(uint256(1000)), true, roomNano, leftNano);
    }

    function _line(uint64 amountNano) private pure returns (Line memory) {
        return Line(bytes32(uint256(1001)), LineLib.packTerms(amountNano, 1, 7, false));
    }
}
