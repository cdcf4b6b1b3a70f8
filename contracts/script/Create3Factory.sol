// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CREATE3} from "solady/utils/CREATE3.sol";

/// @notice Puts contracts at addresses that depend on who deploys and on a salt, and on nothing else: neither on the
/// chain, nor on a nonce, nor on the code. So contracts that name each other in their constructors can be deployed.
/// @dev It holds nothing and nobody owns it. Its own address follows from its code, by the canonical CREATE2 deployer.
/// @dev Warning: that the code may differ is the deployer's freedom and nobody else's, since the salt is taken together
/// with the caller. Deployment binds the salt to the code and the settings.
contract Create3Factory {
    /// @param salt Any 32 bytes the caller has not used here before.
    /// @param initCode Creation code with the constructor's arguments behind it.
    function deploy(bytes32 salt, bytes calldata initCode) external returns (address deployed) {
        return CREATE3.deployDeterministic(initCode, _saltOf(msg.sender, salt));
    }

    /// @notice Where `deploy` of this salt by this deployer puts, or has put, its contract.
    function addressOf(address deployer, bytes32 salt) external view returns (address) {
        return CREATE3.predictDeterministicAddress(_saltOf(deployer, salt));
    }

    function _saltOf(address deployer, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(deployer, salt));
    }
}
