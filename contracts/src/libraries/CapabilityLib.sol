// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Capability} from "../types/Capability.sol";

/// @notice EIP-712 struct hashes of what a tenant signs. The domain is CapabilityAuthority's.
library CapabilityLib {
    bytes32 internal constant CAPABILITY_TYPEHASH = keccak256(
        "Capability(address tenant,bytes32 jobId,bytes32 quoteHash,uint64 maxSpendNano,bytes32 holder,uint8 binding,bool countersigned,uint64 validAfter,uint64 expiresAt,bytes32 salt)"
    );

    bytes32 internal constant REVOCATION_TYPEHASH =
        keccak256("Revocation(address tenant,bytes32 salt,uint256 deadline)");

    /// @dev Every member of the struct is static, so its ABI encoding is its EIP-712 encoding.
    function hashStruct(Capability calldata capability) internal pure returns (bytes32) {
        return keccak256(abi.encode(CAPABILITY_TYPEHASH, capability));
    }

    function hashRevocation(address tenant, bytes32 salt, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOCATION_TYPEHASH, tenant, salt, deadline));
    }

    /// @notice The job id a tenant gets for a salt; nobody else can produce it.
    function jobIdOf(address tenant, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(tenant, salt));
    }
}
