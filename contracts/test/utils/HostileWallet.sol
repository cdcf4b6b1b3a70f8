// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice An ERC-1271 account that answers as it is told, and may be told otherwise between two calls.
contract HostileWallet {
    enum Answer {
        Revert,
        Nothing,
        Garbage,
        DirtyMagic,
        /// @dev Says yes only if its own call, made while it is asked, succeeds.
        Reenter,
        BurnGas,
        Yes
    }

    Answer public answer;
    address private _target;
    bytes private _call;

    function set(Answer answer_) external {
        answer = answer_;
    }

    function reenterWith(address target, bytes calldata call_) external {
        (answer, _target, _call) = (Answer.Reenter, target, call_);
    }

    /// @dev Not a view, as a liar's need not be. Who asks, asks by STATICCALL.
    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        Answer answer_ = answer;
        if (answer_ == Answer.Yes) return 0x1626ba7e;
        if (answer_ == Answer.Revert) revert("no");
        if (answer_ == Answer.Reenter) {
            // A write under STATICCALL burns all the gas it was given.
            (bool succeeded,) = _target.call{gas: 300_000}(_call);
            return succeeded ? bytes4(0x1626ba7e) : bytes4(0);
        }
        assembly ("memory-safe") {
            if eq(answer_, 1) { return(0, 0) }
            if eq(answer_, 2) { return(0, 0x40) }
            if eq(answer_, 3) {
                mstore(0, or(shl(224, 0x1626ba7e), 1))
                return(0, 0x20)
            }
            invalid()
        }
    }
}
