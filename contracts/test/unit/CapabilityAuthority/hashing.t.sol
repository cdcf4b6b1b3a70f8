// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CapabilityAuthority} from "../../../src/CapabilityAuthority.sol";
import {CapabilityLib} from "../../../src/libraries/CapabilityLib.sol";
import {BINDING_NONCE, Capability} from "../../../src/types/Capability.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

/// @dev The expected values were computed with the typed-data encoder of ethers 6.
contract CapabilityAuthorityHashingTest is FixtureVault {
    address private constant TENANT = 0x1111111111111111111111111111111111111111;
    address private constant CONTRACT = 0x3333333333333333333333333333333333333333;
    bytes32 private constant SALT = 0x2222222222222222222222222222222222222222222222222222222222222222;

    CapabilityAuthority private _placed;

    function setUp() public override {
        super.setUp();
        vm.chainId(84532);
        deployCodeTo("CapabilityAuthority.sol", abi.encode(address(governor), address(vault)), CONTRACT);
        _placed = CapabilityAuthority(CONTRACT);
    }

    function test_DomainSeparator_IsThatOfEip712() public view {
        assertEq(
            _placed.DOMAIN_SEPARATOR(), 0x8f1e33e5e9d5852b26ad1c56990846d8e7aff204c97bc14327a16fe7f657e1d9
        );
    }

    function test_JobIdOf_IsTheHashOfTenantAndSalt() public view {
        assertEq(
            _placed.jobIdOf(TENANT, SALT), 0xf4f69ba108f6504dc58f181a5b843d353a4b9b2ec8149a50e0822656df2c3a8c
        );
    }

    function test_HashCapability_IsTheDigestOfEip712() public view {
        Capability memory capability = Capability({
            tenant: TENANT,
            jobId: _placed.jobIdOf(TENANT, SALT),
            quoteHash: 0x4444444444444444444444444444444444444444444444444444444444444444,
            maxSpendNano: 5 * CREDIT,
            holder: 0x5555555555555555555555555555555555555555555555555555555555555555,
            binding: BINDING_NONCE,
            countersigned: true,
            validAfter: NOW,
            expiresAt: NOW + 1 hours,
            salt: SALT
        });
        assertEq(
            _placed.hashCapability(capability),
            0xd6f035f200841475d2bba6166fbd4a3a0c364022fbac1f89bc293088600260da
        );
    }

    function test_HashRevocation_IsTheStructHashOfEip712() public pure {
        assertEq(
            CapabilityLib.hashRevocation(TENANT, SALT, NOW),
            0x86c6707ecc8f0f80f0f98173ae5dd44cd9420a1d74242aee547317c8e98c87fe
        );
    }

    function test_Eip712Domain_NamesTheAuthority() public view {
        (, string memory name, string memory version, uint256 chainId, address verifyingContract,,) =
            _placed.eip712Domain();
        assertEq(name, "CapabilityAuthority");
        assertEq(version, "1");
        assertEq(chainId, 84532);
        assertEq(verifyingContract, CONTRACT);
    }
}
