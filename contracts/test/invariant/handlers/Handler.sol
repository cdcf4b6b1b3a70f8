// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";
import {Deployment} from "../../../script/Deployment.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";
import {Ledger} from "../Ledger.sol";
import {Store} from "../Store.sol";

/// @notice What every handler has: the system under test, the shared store, and a ledger fed with the logs of each
/// action. Actions are bounded so that they succeed; a revert fails the campaign.
abstract contract Handler is CommonBase, StdUtils {
    Deployment.Contracts internal system;
    MockUSDC internal usdc;
    Store internal store;
    Ledger internal ledger;

    modifier recorded() {
        vm.recordLogs();
        _;
        ledger.apply_(vm.getRecordedLogs());
        store.count(msg.sig);
    }

    constructor(Deployment.Contracts memory system_, MockUSDC usdc_, Store store_, Ledger ledger_) {
        (system, usdc, store, ledger) = (system_, usdc_, store_, ledger_);
    }

    /// @dev A call that the rule `id` forbids. That it fails is right; that it succeeds is remembered.
    function mustFail(bytes32 id, address caller, address target, bytes memory call_) internal {
        vm.prank(caller);
        (bool succeeded,) = target.call(call_);
        if (succeeded) store.violate(id, "a forbidden call succeeded");
    }

    function require_(bool holds, bytes32 id, string memory what) internal {
        if (!holds) store.violate(id, what);
    }

    function isPaused() internal view returns (bool) {
        return system.governor.isPaused();
    }

    /// @dev Not `block.timestamp`, which the optimizer may take from before a warp.
    function nowSeconds() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function signWith(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
