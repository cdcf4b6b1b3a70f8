// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Deployment} from "../../../script/Deployment.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {CapabilityLib} from "../../../src/libraries/CapabilityLib.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";
import {BINDING_EXPORTER, BINDING_NONCE, Capability} from "../../../src/types/Capability.sol";
import {Ledger} from "../Ledger.sol";
import {Store} from "../Store.sol";
import {Handler} from "./Handler.sol";

/// @notice Tenants, one of them an ERC-1271 wallet, that bring money, move it, lock it, revoke, and take it back.
contract TenantHandler is Handler {
    uint64 private constant MAX_LOCK = 100e9;

    constructor(Deployment.Contracts memory system_, MockUSDC usdc_, Store store_, Ledger ledger_)
        Handler(system_, usdc_, store_, ledger_)
    {}

    function deposit(uint256 payer, uint256 account, uint256 assets) external recorded {
        assets = bound(assets, 1, 1000e6);
        address from = store.actorAt(payer).account;
        address to = store.actorAt(account).account;
        usdc.mint(from, assets);
        vm.prank(from);
        usdc.approve(address(system.vault), assets);
        if (isPaused()) {
            mustFail(
                "INV-26", from, address(system.vault), abi.encodeCall(ICreditVault.deposit, (assets, to))
            );
            return;
        }
        vm.prank(from);
        system.vault.deposit(assets, to);
    }

    function depositCredit(uint256 payer, uint256 account, uint256 amountNano) external recorded {
        address from = store.actorAt(payer).account;
        address to = store.actorAt(account).account;
        uint256 most = system.token.balanceOf(from);
        if (most == 0) return;
        uint128 nano = uint128(bound(amountNano, 1, most));
        vm.prank(from);
        system.token.approve(address(system.vault), nano);
        if (isPaused()) {
            bytes memory call_ = abi.encodeCall(ICreditVault.depositCredit, (nano, to));
            mustFail("INV-26", from, address(system.vault), call_);
            return;
        }
        vm.prank(from);
        system.vault.depositCredit(nano, to);
    }

    function withdraw(uint256 account, uint256 assets, uint256 to) external recorded {
        address from = store.actorAt(account).account;
        uint256 most = system.vault.balanceOf(from) / 1000;
        if (most == 0) return;
        address recipient = store.actorAt(to).account;
        assets = bound(assets, 1, most);
        uint256 before = usdc.balanceOf(recipient);
        vm.prank(from);
        system.vault.withdraw(uint128(assets * 1000), recipient);
        require_(usdc.balanceOf(recipient) == before + assets, "INV-34", "withdraw paid another amount");
    }

    function withdrawCredit(uint256 account, uint256 amountNano, uint256 to) external recorded {
        address from = store.actorAt(account).account;
        uint256 most = system.vault.balanceOf(from);
        if (most == 0) return;
        address recipient = store.actorAt(to).account;
        vm.prank(from);
        system.vault.withdrawCredit(uint128(bound(amountNano, 1, most)), recipient);
    }

    function redeem(uint256 account, uint256 assets, uint256 to) external recorded {
        address from = store.actorAt(account).account;
        uint256 most = system.token.balanceOf(from) / 1000;
        if (most == 0) return;
        address recipient = store.actorAt(to).account;
        vm.prank(from);
        system.vault.redeem(bound(assets, 1, most) * 1000, recipient);
    }

    function moveCredit(uint256 account, uint256 amountNano, uint256 to) external recorded {
        address from = store.actorAt(account).account;
        uint256 most = system.vault.balanceOf(from);
        if (most == 0) return;
        address recipient = store.actorAt(to).account;
        vm.prank(from);
        system.vault.moveCredit(recipient, uint128(bound(amountNano, 1, most)));
    }

    function transferToken(uint256 account, uint256 amountNano, uint256 to) external recorded {
        address from = store.actorAt(account).account;
        amountNano = bound(amountNano, 0, system.token.balanceOf(from));
        address recipient = store.actorAt(to).account;
        vm.prank(from);
        system.token.transfer(recipient, amountNano);
    }

    function lock(uint256 account, bytes32 salt, uint256 maxSpendNano, uint256 lifetime) external recorded {
        Store.Actor memory actor = store.actorAt(account);
        uint256 most = system.vault.balanceOf(actor.account);
        if (most == 0) return;
        if (most > MAX_LOCK) most = MAX_LOCK;
        bytes32 jobId = system.authority.jobIdOf(actor.account, salt);
        Capability memory capability = Capability({
            tenant: actor.account,
            jobId: jobId,
            quoteHash: keccak256("quote"),
            maxSpendNano: uint64(bound(maxSpendNano, 1, most)),
            holder: keccak256("holder"),
            binding: lifetime % 2 == 0 ? BINDING_EXPORTER : BINDING_NONCE,
            countersigned: lifetime % 3 == 0,
            validAfter: uint64(nowSeconds()),
            expiresAt: uint64(nowSeconds() + bound(lifetime, 1, 30 days)),
            salt: salt
        });
        bytes memory signature = signWith(actor.key, system.authority.hashCapability(capability));
        bytes memory call_ = abi.encodeCall(ICreditVault.lock, (capability, signature));
        bool isRevoked = system.authority.revokedAt(actor.account, jobId, uint64(nowSeconds())) != 0;
        bool isTaken = system.vault.lockOf(jobId).state != ICreditVault.LockState.None;
        if (isPaused() || isRevoked || isTaken) {
            bytes32 id = isPaused() ? bytes32("INV-26") : isTaken ? bytes32("INV-33") : bytes32("INV-16");
            mustFail(id, address(this), address(system.vault), call_);
            return;
        }
        system.vault.lock(capability, signature);
        store.addJob(
            Store.Job({
                jobId: jobId,
                salt: salt,
                actor: account,
                maxSpendNano: capability.maxSpendNano,
                validAfter: uint40(capability.validAfter),
                expiresAt: uint40(capability.expiresAt)
            })
        );
    }

    function revoke(uint256 index, bool bySignature) external recorded {
        if (store.jobCount() == 0) return;
        Store.Job memory job = store.jobAt(index);
        Store.Actor memory actor = store.actorAt(job.actor);
        if (system.authority.revokedAt(actor.account, job.jobId, type(uint64).max) != 0) return;
        if (!bySignature) {
            vm.prank(actor.account);
            system.authority.revoke(job.salt);
            return;
        }
        bytes32 domain = system.authority.DOMAIN_SEPARATOR();
        bytes32 structHash = CapabilityLib.hashRevocation(actor.account, job.salt, nowSeconds());
        bytes memory signature =
            signWith(actor.key, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        system.authority.revokeWithSignature(actor.account, job.salt, nowSeconds(), signature);
    }

    function revokeAll(uint256 account, bool isApplied) external recorded {
        vm.prank(store.actorAt(account).account);
        system.authority.revokeAll();
        if (isApplied) _applyRevocation();
    }

    function applyRevocation() external recorded {
        _applyRevocation();
    }

    /// @dev Anyone may release: early, it must fail, and once due it must not.
    function release(uint256 index) external recorded {
        if (store.jobCount() == 0) return;
        bytes32 jobId = store.jobAt(index).jobId;
        ICreditVault.Lock memory held = system.vault.lockOf(jobId);
        uint256 endsAt = held.expiresAt;
        if (held.revokedAt != 0 && held.revokedAt < endsAt) endsAt = held.revokedAt;
        uint256 due = endsAt + system.governor.param("graceSeconds");
        if (held.state != ICreditVault.LockState.Open || nowSeconds() < due) {
            bytes memory call_ = abi.encodeCall(ICreditVault.release, (jobId));
            mustFail("INV-08", address(this), address(system.vault), call_);
            return;
        }
        uint256 before = system.vault.balanceOf(held.tenant);
        system.vault.release(jobId);
        uint256 gained = system.vault.balanceOf(held.tenant) - before;
        require_(gained == held.remainingNano, "INV-07", "release returned another amount");
    }

    function _applyRevocation() private {
        bytes32[] memory jobIds = new bytes32[](store.jobCount());
        for (uint256 i = 0; i < jobIds.length; ++i) {
            jobIds[i] = store.jobAt(i).jobId;
        }
        system.vault.applyRevocation(jobIds);
    }
}
