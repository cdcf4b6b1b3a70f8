// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {ISettlementTreasury} from "../../../src/interfaces/ISettlementTreasury.sol";
import {SettlementCall, SettlementCallLib} from "../../../src/libraries/SettlementCallLib.sol";
import {BatchHeader} from "../../../src/types/BatchHeader.sol";
import {Line} from "../../../src/types/Line.sol";

contract FixtureListener {
    bytes private _heard;

    fallback() external {
        _heard = msg.data;
    }

    function heard() external view returns (bytes memory) {
        return _heard;
    }
}

contract SettlementCallLibTest is Test {
    error Refused(uint256 reason);

    function testFuzz_HashesAsTheAbiEncoding(Line[] calldata lines) public pure {
        assertEq(SettlementCallLib.prepare(lines).linesHash(), keccak256(abi.encode(lines)));
    }

    /// @dev The array must be read where it is, not where it would be as the only argument.
    function testFuzz_FindsLinesBehindOtherArguments(bytes calldata, Line[] calldata lines, uint256)
        public
        pure
    {
        assertEq(SettlementCallLib.prepare(lines).linesHash(), keccak256(abi.encode(lines)));
    }

    /// @dev Memory is priced by its square, and a batch may have a thousand lines.
    function testFuzz_TakesTheRoomOfItsCallAndNoMore(Line[] calldata lines) public pure {
        uint256 free = _freeMemory();
        SettlementCall call_ = SettlementCallLib.prepare(lines);
        assertEq(SettlementCall.unwrap(call_), free);
        assertEq(_freeMemory(), free + 0xc0 + 64 * lines.length);
    }

    function testFuzz_CallsWhatTheCompilerWouldEncode(
        BatchHeader calldata header,
        Line[] calldata lines,
        bytes32 batchHash
    ) public {
        address treasury = makeAddr("treasury");
        bytes memory expected = abi.encodeCall(
            ISettlementTreasury.settle, (batchHash, header.totalNano, header.windowStart, lines)
        );
        vm.mockCall(treasury, expected, bytes(""));
        vm.expectCall(treasury, expected, 1);
        this.send(treasury, header, lines, batchHash);
    }

    /// @dev An expected call is compared as far as it goes; what follows it shows only to who is called.
    function testFuzz_CallsWithNothingBehindTheLines(BatchHeader calldata header, Line[] calldata lines)
        public
    {
        FixtureListener treasury = new FixtureListener();
        this.send(address(treasury), header, lines, "batch");
        assertEq(
            treasury.heard(),
            abi.encodeCall(ISettlementTreasury.settle, ("batch", header.totalNano, header.windowStart, lines))
        );
    }

    function testFuzz_PassesTheRevertOn(BatchHeader calldata header, Line[] calldata lines, uint256 reason)
        public
    {
        address treasury = makeAddr("treasury");
        bytes memory revertData = abi.encodeWithSelector(Refused.selector, reason);
        vm.mockCallRevert(treasury, bytes(""), revertData);
        vm.expectRevert(revertData);
        this.send(treasury, header, lines, 0);
    }

    function test_RevertWhen_TheTreasuryHasNoCode() public {
        BatchHeader memory header;
        vm.expectRevert(bytes(""));
        this.send(makeAddr("nobody"), header, new Line[](0), 0);
    }

    function _freeMemory() private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := mload(0x40)
        }
    }

    function send(address treasury, BatchHeader calldata header, Line[] calldata lines, bytes32 batchHash)
        external
    {
        SettlementCall call_ = SettlementCallLib.prepare(lines);
        call_.linesHash();
        call_.send(treasury, batchHash, header);
    }
}
