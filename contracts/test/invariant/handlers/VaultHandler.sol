// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {CapabilityAuthority} from "../../../src/CapabilityAuthority.sol";
import {CreditToken} from "../../../src/CreditToken.sol";
import {CreditVault} from "../../../src/CreditVault.sol";
import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";
import {BINDING_EXPORTER, Capability} from "../../../src/types/Capability.sol";
import {LineStatus} from "../../../src/types/Line.sol";

/// @notice Tenants, treasury and channels that use the vault in any order. Actions are bounded so that they succeed;
/// a revert is a failure of the invariant run.
contract VaultHandler is Test {
    bytes32 private constant UNKNOWN_JOB = "unknown";
    uint64 private constant MAX_LOCK = 100e9;
    uint256 private constant GRACE = 1 days;

    CreditVault public immutable vault;
    CreditToken public immutable token;
    MockUSDC public immutable asset;
    CapabilityAuthority public immutable authority;
    address public immutable treasury;
    address public immutable channels;

    address[] public accounts;
    bytes32[] public jobs;
    mapping(address account => uint256 key) private _keys;

    mapping(bytes32 jobId => bytes32 salt) private _salts;
    mapping(bytes32 jobId => uint256 paidNano) public paidOf;
    mapping(bytes32 jobId => uint256 releasedNano) public releasedOf;
    mapping(bytes32 jobId => uint256 revokedAt) public revocationOf;
    uint256 public paidAfterRevocation;
    uint256 public paidNano;
    mapping(LineStatus status => uint256 count) public statusCount;

    constructor(CreditVault vault_, CreditToken token_, MockUSDC asset_, CapabilityAuthority authority_) {
        vault = vault_;
        token = token_;
        asset = asset_;
        authority = authority_;
        treasury = vault_.treasury();
        channels = vault_.channels();
        for (uint256 i = 0; i < 4; ++i) {
            (address account, uint256 key) = makeAddrAndKey(string.concat("tenant ", vm.toString(i)));
            accounts.push(account);
            _keys[account] = key;
        }
        accounts.push(treasury);
        accounts.push(channels);
    }

    function accountCount() external view returns (uint256) {
        return accounts.length;
    }

    function jobCount() external view returns (uint256) {
        return jobs.length;
    }

    function deposit(uint256 payer, uint256 account, uint256 assets) external {
        assets = bound(assets, 1, 1000e6);
        address from = _tenant(payer);
        asset.mint(from, assets);
        vm.startPrank(from);
        asset.approve(address(vault), assets);
        vault.deposit(assets, _tenant(account));
        vm.stopPrank();
    }

    function depositCredit(uint256 payer, uint256 account, uint256 amountNano) external {
        address from = _tenant(payer);
        if (token.balanceOf(from) == 0) return;
        amountNano = bound(amountNano, 1, token.balanceOf(from));
        vm.startPrank(from);
        token.approve(address(vault), amountNano);
        vault.depositCredit(SafeCast.toUint128(amountNano), _tenant(account));
        vm.stopPrank();
    }

    function withdraw(uint256 account, uint256 assets, uint256 to) external {
        address from = _any(account);
        uint256 most = vault.balanceOf(from) / 1000;
        if (most == 0) return;
        vm.prank(from);
        vault.withdraw(uint128(bound(assets, 1, most) * 1000), _tenant(to));
    }

    function withdrawCredit(uint256 account, uint256 amountNano, uint256 to) external {
        address from = _any(account);
        uint256 most = vault.balanceOf(from);
        if (most == 0) return;
        vm.prank(from);
        vault.withdrawCredit(uint128(bound(amountNano, 1, most)), _tenant(to));
    }

    function redeem(uint256 account, uint256 assets, uint256 to) external {
        address from = _tenant(account);
        uint256 most = token.balanceOf(from) / 1000;
        if (most == 0) return;
        vm.prank(from);
        vault.redeem(bound(assets, 1, most) * 1000, _tenant(to));
    }

    function moveCredit(uint256 account, uint256 amountNano, uint256 to) external {
        address from = _any(account);
        uint256 most = vault.balanceOf(from);
        if (most == 0) return;
        vm.prank(from);
        vault.moveCredit(_any(to), uint128(bound(amountNano, 1, most)));
    }

    function pullForChannel(uint256 account, uint256 amountNano) external {
        address from = _tenant(account);
        uint256 most = vault.balanceOf(from);
        if (most == 0) return;
        vm.prank(channels);
        vault.pullForChannel(from, uint128(bound(amountNano, 1, most)));
    }

    function lock(uint256 account, bytes32 salt, uint256 maxSpendNano, uint256 lifetime) external {
        address tenant = _tenant(account);
        bytes32 jobId = authority.jobIdOf(tenant, salt);
        uint256 most = vault.balanceOf(tenant);
        if (most == 0 || vault.lockOf(jobId).state != ICreditVault.LockState.None) return;
        if (most > MAX_LOCK) most = MAX_LOCK;
        uint64 nowSeconds = uint64(vm.getBlockTimestamp());
        Capability memory capability = Capability({
            tenant: tenant,
            jobId: jobId,
            quoteHash: bytes32(0),
            maxSpendNano: uint64(bound(maxSpendNano, 1, most)),
            holder: bytes32(0),
            binding: BINDING_EXPORTER,
            countersigned: false,
            validAfter: nowSeconds,
            expiresAt: nowSeconds + uint64(bound(lifetime, 1, 30 days)),
            salt: salt
        });
        if (authority.revokedAt(tenant, jobId, nowSeconds) != 0) return;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys[tenant], authority.hashCapability(capability));
        vault.lock(capability, abi.encodePacked(r, s, v));
        jobs.push(jobId);
        _salts[jobId] = salt;
    }

    /// @dev Four lines a batch, some of them of one job, one of them of no job now and then.
    function charge(uint256[4] calldata seeds, uint64[4] calldata amounts, uint8 finals, uint256 age)
        external
    {
        if (jobs.length == 0) return;
        uint64 windowStart = SafeCast.toUint64(vm.getBlockTimestamp() * 1000 - bound(age, 0, 60_000));
        ICreditVault.Charge[] memory charges = new ICreditVault.Charge[](4);
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 jobId = seeds[i] % 16 == 0 ? UNKNOWN_JOB : jobs[seeds[i] % jobs.length];
            uint64 amountNano = uint64(bound(amounts[i], 0, MAX_LOCK));
            charges[i] = ICreditVault.Charge(jobId, amountNano, finals >> (2 * i) & 3 == 3);
        }
        vm.prank(treasury);
        ICreditVault.Charged[] memory charged = vault.charge(charges, windowStart);
        for (uint256 i = 0; i < 4; ++i) {
            _book(charges[i].jobId, charged[i], windowStart);
        }
    }

    function revoke(uint256 job) external {
        if (jobs.length == 0) return;
        bytes32 jobId = jobs[job % jobs.length];
        address tenant = vault.lockOf(jobId).tenant;
        if (revocationOf[jobId] != 0) return;
        vm.prank(tenant);
        authority.revoke(_salts[jobId]);
        revocationOf[jobId] = vm.getBlockTimestamp();
    }

    function revokeAll(uint256 account) external {
        address tenant = _tenant(account);
        vm.prank(tenant);
        authority.revokeAll();
        vault.applyRevocation(jobs);
        for (uint256 i = 0; i < jobs.length; ++i) {
            if (vault.lockOf(jobs[i]).tenant != tenant || revocationOf[jobs[i]] != 0) continue;
            revocationOf[jobs[i]] = vm.getBlockTimestamp();
        }
    }

    function release(uint256 job) external {
        if (jobs.length == 0) return;
        bytes32 jobId = jobs[job % jobs.length];
        ICreditVault.Lock memory held = vault.lockOf(jobId);
        uint256 endsAt = held.expiresAt;
        if (held.revokedAt != 0 && held.revokedAt < endsAt) endsAt = held.revokedAt;
        if (held.state != ICreditVault.LockState.Open || vm.getBlockTimestamp() < endsAt + GRACE) return;
        releasedOf[jobId] += vault.release(jobId);
    }

    function wait(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, 5 days));
    }

    function _book(bytes32 jobId, ICreditVault.Charged memory charged, uint256 windowStart) private {
        paidOf[jobId] += charged.paidNano;
        releasedOf[jobId] += charged.releasedNano;
        paidNano += charged.paidNano;
        statusCount[charged.status] += 1;
        uint256 revokedAt = revocationOf[jobId];
        if (revokedAt != 0 && revokedAt * 1000 <= windowStart) paidAfterRevocation += charged.paidNano;
    }

    function _tenant(uint256 seed) private view returns (address) {
        return accounts[seed % (accounts.length - 2)];
    }

    function _any(uint256 seed) private view returns (address) {
        return accounts[seed % accounts.length];
    }
}
