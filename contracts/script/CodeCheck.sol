// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Surprises} from "./Surprises.sol";

/// @notice Compares code on the chain with code compiled here.
abstract contract CodeCheck is Surprises {
    /// @dev The members in alphabetical order, as `vm.parseJson` gives them.
    struct ImmutableReference {
        uint256 length;
        uint256 start;
    }

    /// @dev Immutables are blanked out: what they hold is read back by its own getter.
    function _expectCode(string memory name, address at) internal {
        if (at.code.length == 0) return _surprise(string.concat(name, " has no code at ", vm.toString(at)));
        bytes memory compiled = vm.getDeployedCode(string.concat(name, ".sol:", name));
        bytes memory actual = _blanked(name, at.code);
        _expectTrue(
            string.concat(name, " has other code than was compiled here"),
            keccak256(actual) == keccak256(compiled)
        );
    }

    function _blanked(string memory name, bytes memory code) private view returns (bytes memory) {
        string memory json = vm.readFile(string.concat("contracts/out/forge/", name, ".sol/", name, ".json"));
        string memory references = ".deployedBytecode.immutableReferences";
        if (!vm.keyExistsJson(json, references)) return code;
        string[] memory ids = vm.parseJsonKeys(json, references);
        for (uint256 i = 0; i < ids.length; ++i) {
            bytes memory encoded = vm.parseJson(json, string.concat(references, ".", ids[i]));
            ImmutableReference[] memory places = abi.decode(encoded, (ImmutableReference[]));
            for (uint256 j = 0; j < places.length; ++j) {
                uint256 end = places[j].start + places[j].length;
                for (uint256 k = places[j].start; k < end && k < code.length; ++k) {
                    code[k] = 0;
                }
            }
        }
        return code;
    }
}
