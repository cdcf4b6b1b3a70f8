// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BLS12381} from "../../src/libraries/BLS12381.sol";

/// @notice Lets a test call the library as a contract, so that reverts and gas can be observed.
contract Bls12381Harness {
    function verify(bytes32 message, bytes calldata signature, bytes calldata publicKey)
        external
        view
        returns (bool)
    {
        return BLS12381.verify(message, signature, publicKey);
    }

    function verifyPossession(bytes calldata proof, bytes calldata publicKey) external view returns (bool) {
        return BLS12381.verifyPossession(proof, publicKey);
    }

    function hashToG1(bytes calldata message, bytes calldata dst) external view returns (bytes memory) {
        return BLS12381.hashToG1(message, dst);
    }
}
