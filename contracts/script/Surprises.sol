// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Script, console} from "forge-std/Script.sol";

// Printing is what a script is for.
// solhint-disable no-console

/// @notice Collects what differs from what was expected, so that one run names all of it.
abstract contract Surprises is Script {
    uint256 private _factCount;
    uint256 private _surpriseCount;

    error Surprises_Found(uint256 count);

    function _surprise(string memory what) internal {
        ++_surpriseCount;
        console.log(string.concat("SURPRISE ", what));
    }

    function _expectTrue(string memory what, bool holds) internal {
        ++_factCount;
        if (!holds) _surprise(what);
    }

    function _expect(string memory what, address expected, address actual) internal {
        _expectText(what, vm.toString(expected), vm.toString(actual));
    }

    function _expect(string memory what, uint256 expected, uint256 actual) internal {
        _expectText(what, vm.toString(expected), vm.toString(actual));
    }

    function _expect(string memory what, bytes32 expected, bytes32 actual) internal {
        _expectText(what, vm.toString(expected), vm.toString(actual));
    }

    /// @dev Fails the run when anything was surprising.
    function _conclude() internal view {
        if (_surpriseCount != 0) revert Surprises_Found(_surpriseCount);
        console.log(string.concat(vm.toString(_factCount), " facts read back, none of them surprising"));
    }

    function _expectText(string memory what, string memory expected, string memory actual) private {
        ++_factCount;
        if (keccak256(bytes(expected)) == keccak256(bytes(actual))) return;
        _surprise(string.concat(what, " is ", actual, ", expected ", expected));
    }
}
