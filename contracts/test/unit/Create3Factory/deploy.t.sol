// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {CREATE3} from "solady/utils/CREATE3.sol";
import {Create3Factory} from "../../../script/Create3Factory.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";

contract Create3FactoryDeployTest is Test {
    Create3Factory private _factory = new Create3Factory();

    function testFuzz_Deploy_PutsTheCodeWhereAddressOfSays(address caller, bytes32 salt) public {
        address expected = _factory.addressOf(caller, salt);
        vm.prank(caller);
        address actual = _factory.deploy(salt, type(Create3Factory).creationCode);
        assertEq(actual, expected);
        assertEq(actual.code, type(Create3Factory).runtimeCode);
    }

    function testFuzz_AddressOf_DoesNotDependOnTheCode(bytes32 salt, uint8 value) public {
        address expected = _factory.addressOf(address(this), salt);
        // PUSH1 value, PUSH0, MSTORE8, PUSH1 1, PUSH0, RETURN: code of one byte.
        vm.assume(value != 0xef);
        bytes memory initCode = abi.encodePacked(hex"60", value, hex"5f5360015ff3");
        assertEq(_factory.deploy(salt, initCode), expected);
        assertEq(expected.code, abi.encodePacked(value));
    }

    function testFuzz_AddressOf_DependsOnTheCaller(address first, address second, bytes32 salt) public view {
        vm.assume(first != second);
        assertNotEq(_factory.addressOf(first, salt), _factory.addressOf(second, salt));
    }

    function test_RevertWhen_TheSaltWasUsed() public {
        _factory.deploy(0, type(MockUSDC).creationCode);
        vm.expectRevert(CREATE3.DeploymentFailed.selector);
        _factory.deploy(0, type(Create3Factory).creationCode);
    }

    function test_RevertWhen_TheConstructorReverts() public {
        vm.expectRevert(CREATE3.DeploymentFailed.selector);
        _factory.deploy(0, hex"5f5ffd");
        assertEq(_factory.addressOf(address(this), 0).code.length, 0);
    }
}
