// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockUSDC} from "../../src/mocks/MockUSDC.sol";

/// @notice A settlement asset that tells a contract of its receipt and fails if that fails, as ERC-777 does.
contract FixtureNotifyingAsset is MockUSDC {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to.code.length != 0) HostilePayout(to).tokensReceived();
    }
}

/// @notice A contract that is paid, and reverts, burns the gas, or calls somebody while it is told so.
contract HostilePayout {
    enum Reaction {
        Accept,
        Revert,
        BurnGas,
        Reenter
    }

    Reaction public reaction;
    uint256 public timesCalled;
    bool public succeeded;
    bytes public answer;
    address private _target;
    bytes private _call;

    function set(Reaction reaction_) external {
        reaction = reaction_;
    }

    function reenterWith(address target, bytes calldata call_) external {
        (reaction, _target, _call) = (Reaction.Reenter, target, call_);
    }

    function tokensReceived() external {
        if (reaction == Reaction.Revert) revert("not today");
        if (reaction == Reaction.BurnGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (reaction != Reaction.Reenter) return;
        reaction = Reaction.Accept;
        timesCalled += 1;
        (succeeded, answer) = _target.call(_call);
    }
}
