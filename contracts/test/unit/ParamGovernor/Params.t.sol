// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IParamGovernor} from "../../../src/interfaces/IParamGovernor.sol";
import {ParamGovernor} from "../../../src/ParamGovernor.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract ParamsTest is SystemTest {
    struct Param {
        bytes32 key;
        uint256 initial;
        uint256 minimum;
        uint256 maximum;
    }

    function test_EveryParamHasItsDefaultAndBounds() public view {
        Param[] memory params = _params();
        for (uint256 i = 0; i < params.length; ++i) {
            (uint256 minimum, uint256 maximum) = system.governor.boundsOf(params[i].key);
            assertEq(minimum, params[i].minimum);
            assertEq(maximum, params[i].maximum);
            assertEq(system.governor.param(params[i].key), params[i].initial);
        }
    }

    function testFuzz_SetParamWithinBoundsTouchesNoOther(uint256 index, uint256 value) public {
        Param[] memory params = _params();
        index = bound(index, 0, params.length - 1);
        value = bound(value, params[index].minimum, params[index].maximum);

        vm.expectEmit(address(system.governor));
        emit IParamGovernor.ParamChanged(params[index].key, params[index].initial, value);
        setParam(params[index].key, value);

        params[index].initial = value;
        for (uint256 i = 0; i < params.length; ++i) {
            assertEq(system.governor.param(params[i].key), params[i].initial);
        }
    }

    function test_BoundsAreWithinTheBounds() public {
        Param[] memory params = _params();
        for (uint256 i = 0; i < params.length; ++i) {
            setParam(params[i].key, params[i].minimum);
            assertEq(system.governor.param(params[i].key), params[i].minimum);
            setParam(params[i].key, params[i].maximum);
            assertEq(system.governor.param(params[i].key), params[i].maximum);
        }
    }

    function testFuzz_RevertWhen_ValueIsOutOfBounds(uint256 index, uint256 value) public {
        Param[] memory params = _params();
        Param memory chosen = params[bound(index, 0, params.length - 1)];
        vm.assume(value < chosen.minimum || value > chosen.maximum);
        vm.prank(address(system.governor));
        vm.expectRevert(
            abi.encodeWithSelector(
                IParamGovernor.ParamGovernor_OutOfBounds.selector,
                chosen.key,
                value,
                chosen.minimum,
                chosen.maximum
            )
        );
        system.governor.setParam(chosen.key, value);
    }

    function test_RevertWhen_ParamIsUnknown() public {
        bytes memory reason =
            abi.encodeWithSelector(IParamGovernor.ParamGovernor_UnknownParam.selector, bytes32("feebps"));
        vm.expectRevert(reason);
        system.governor.param("feebps");
        vm.expectRevert(reason);
        system.governor.boundsOf("feebps");
        vm.prank(address(system.governor));
        vm.expectRevert(reason);
        system.governor.setParam("feebps", 1);
    }

    function testFuzz_RevertWhen_CallerIsNotTheTimelock(address caller) public {
        vm.assume(caller != address(system.governor));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IParamGovernor.ParamGovernor_NotSelf.selector, caller));
        system.governor.setParam("feeBps", 1);
    }

    function test_ProposalChangesAParamAfterTheDelay() public {
        bytes memory call = abi.encodeCall(IParamGovernor.setParam, ("feeBps", 250));
        vm.startPrank(proposer);
        system.governor.schedule(address(system.governor), 0, call, 0, 0, 2 days);
        skip(2 days - 1);
        vm.expectRevert();
        system.governor.execute(address(system.governor), 0, call, 0, 0);
        skip(1);
        system.governor.execute(address(system.governor), 0, call, 0, 0);
        assertEq(system.governor.param("feeBps"), 250);
    }

    function test_SettlementParams() public {
        setParam("feeBps", 77);
        setParam("providerCapNano", type(uint64).max);
        setParam("capWindowSeconds", 2 hours);
        (uint16 feeBps, uint64 providerCapNano, uint32 capWindowSeconds, bool paused) =
            system.governor.settlementParams();
        assertEq(feeBps, 77);
        assertEq(providerCapNano, type(uint64).max);
        assertEq(capWindowSeconds, 2 hours);
        assertFalse(paused);
        pause();
        (,,, paused) = system.governor.settlementParams();
        assertTrue(paused);
        skip(1 days);
        (,,, paused) = system.governor.settlementParams();
        assertFalse(paused);
    }

    function test_RevertWhen_ConstructedWithoutFeeRecipient() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IParamGovernor.ParamGovernor_OutOfBounds.selector,
                bytes32("feeRecipient"),
                0,
                1,
                type(uint160).max
            )
        );
        new ParamGovernor(1, 1, new address[](0), new address[](0), address(0), guardian, address(0));
    }

    function _params() private view returns (Param[] memory params) {
        params = new Param[](9);
        params[0] = Param("feeBps", 100, 0, 1000);
        params[1] = Param("feeRecipient", uint160(feeRecipient), 1, type(uint160).max);
        params[2] = Param("providerCapNano", 1e15, 1e9, type(uint64).max);
        params[3] = Param("capWindowSeconds", 1 days, 1 hours, 30 days);
        params[4] = Param("graceSeconds", 1 days, 1 hours, 30 days);
        params[5] = Param("minimumBondNano", 0, 0, 1e18);
        params[6] = Param("bondDelaySeconds", 7 days, 0, 90 days);
        params[7] = Param("changeDelaySeconds", 2 days, 0, 30 days);
        params[8] = Param("channelExitSeconds", 1 days, 1 hours, 30 days);
    }
}
