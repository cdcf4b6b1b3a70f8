// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SystemTest} from "../../utils/SystemTest.sol";

/// @dev The EIP-712 domain that receipts, headers and feed heads are signed in, spelt out once for the clients.
contract DomainTest is SystemTest {
    function test_DomainSeparator_IsThatOfNameVersionChainAndContract() public view {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        assertEq(
            system.receipts.DOMAIN_SEPARATOR(),
            _separator(typeHash, "UsageReceipts", address(system.receipts))
        );
        assertEq(
            system.channels.DOMAIN_SEPARATOR(),
            _separator(typeHash, "SessionChannels", address(system.channels))
        );
        assertEq(
            system.authority.DOMAIN_SEPARATOR(),
            _separator(typeHash, "CapabilityAuthority", address(system.authority))
        );
        assertEq(
            system.token.DOMAIN_SEPARATOR(),
            _separator(typeHash, "Tokenised API Credit", address(system.token))
        );
    }

    function _separator(bytes32 typeHash, string memory name, address verifier)
        private
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(typeHash, keccak256(bytes(name)), keccak256("1"), block.chainid, verifier)
        );
    }
}
