// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {FixtureWallet} from "../utils/FixtureWallet.sol";
import {SystemTest} from "../utils/SystemTest.sol";
import {ChannelHandler} from "./handlers/ChannelHandler.sol";
import {GovernorHandler} from "./handlers/GovernorHandler.sol";
import {SettlementHandler} from "./handlers/SettlementHandler.sol";
import {TenantHandler} from "./handlers/TenantHandler.sol";
import {Ledger} from "./Ledger.sol";
import {Store} from "./Store.sol";

/// @dev What many invariants ask for, read once per state.
struct State {
    Store.Job[] jobs;
    ICreditVault.Lock[] locks;
    Ledger.LockEntry[] lockEntries;
    bytes32[] channelIds;
    ISessionChannels.Channel[] channels;
    Ledger.ChannelEntry[] channelEntries;
    /// @dev By lane.
    Store.Window[][] windows;
}

/// @notice The whole system with every handler at work on it. What is mocked is one precompile's answer: the pairing
/// says yes, so that a campaign settles hundreds of batches; the signature itself is proven in test/unit/BLS12381.
abstract contract InvariantTest is SystemTest {
    address internal constant PAIRING = address(0x0f);
    uint32 internal constant LANES = 2;

    /// @dev An invariant, and the id it is reported by.
    struct Invariant {
        string id;
        /// @dev Of a view that reverts unless it holds, and takes a State or nothing.
        bytes4 selector;
    }

    Invariant[] private _invariants;
    Store internal store;
    Ledger internal ledger;
    TenantHandler internal tenants;
    SettlementHandler internal settlement;
    ChannelHandler internal channels;
    GovernorHandler internal governance;

    function setUp() public virtual override {
        vm.recordLogs();
        super.setUp();
        vm.mockCall(PAIRING, bytes(""), abi.encode(uint256(1)));
        store = new Store();
        ledger = new Ledger(address(system.token), address(system.treasury));
        _addActors();
        for (uint256 i = 0; i < 3; ++i) {
            store.addTariff(addProvider(store.actorAt(i).account), keccak256("tariff"));
        }
        store.addKey(0, aggregatorPublicKey);
        bytes memory publicKey = abi.encodePacked(new bytes(255), uint8(1));
        vm.prank(address(system.governor));
        system.receipts.openLane(1, publicKey, abi.encodePacked(new bytes(127), uint8(1)));
        store.addKey(1, publicKey);
        ledger.apply_(vm.getRecordedLogs());

        tenants = new TenantHandler(system, usdc, store, ledger);
        settlement = new SettlementHandler(system, usdc, store, ledger);
        channels = new ChannelHandler(system, usdc, store, ledger);
        governance = new GovernorHandler(system, usdc, store, ledger, guardian);
        for (uint256 i = 0; i < 4; ++i) {
            tenants.deposit(i, i, 1000e6);
            tenants.lock(i, bytes32(i), 50e9 * (i + 1), 7 days);
        }
        targetContract(address(tenants));
        targetContract(address(settlement));
        targetContract(address(channels));
        targetContract(address(governance));
    }

    /// @dev The one that forge knows of; it fails with the id of the invariant that is broken and what broke it.
    function invariant_EachHolds() external view {
        bytes memory call_ = abi.encodeWithSelector(bytes4(0), _state());
        for (uint256 i = 0; i < _invariants.length; ++i) {
            bytes4 selector = _invariants[i].selector;
            for (uint256 k = 0; k < 4; ++k) {
                call_[k] = selector[k];
            }
            (bool holds, bytes memory reason) = address(this).staticcall(call_);
            if (!holds) revert(string.concat(_invariants[i].id, ": ", _textOf(reason)));
        }
    }

    /// @dev INV-32, at the end of every run: whatever happened, and while the guardian pauses, all money finds its exit.
    function afterInvariant() public {
        _startExits();
        vm.warp(vm.getBlockTimestamp() + 91 days);
        vm.prank(guardian);
        system.governor.pause(7 days);
        _takeEverythingOut();

        uint256 dustNano = 1000 * (system.registry.providerCount() + 1 + store.actorCount());
        assertTrue(system.governor.isPaused(), "INV-32: paused all along");
        assertLt(system.token.totalSupply(), dustNano, "INV-32: less than a unit of the asset each is left");
        assertEq(system.vault.balanceOf(address(system.channels)), 0, "INV-32: channels hold nothing");
        assertEq(system.token.balanceOf(address(system.registry)), 0, "INV-32: every bond is back");
        for (uint256 i = 0; i < store.actorCount(); ++i) {
            assertEq(system.vault.balanceOf(store.actorAt(i).account), 0, "INV-32: every account is empty");
        }
    }

    function add(string memory id, bytes4 selector) internal {
        _invariants.push(Invariant(id, selector));
    }

    /// @dev Asserts that no handler saw the rule broken.
    function assertKept(bytes32 id) internal view {
        if (store.violations(id) != 0) revert(store.violationOf(id));
    }

    function locksOf(Store.Job[] memory jobs) internal view returns (ICreditVault.Lock[] memory locks) {
        locks = new ICreditVault.Lock[](jobs.length);
        for (uint256 i = 0; i < jobs.length; ++i) {
            locks[i] = system.vault.lockOf(jobs[i].jobId);
        }
    }

    function channelAt(uint256 index) internal view returns (ISessionChannels.Channel memory) {
        return system.channels.channelOf(store.channelAt(index));
    }

    function _state() private view returns (State memory state) {
        state.jobs = store.jobs();
        state.locks = locksOf(state.jobs);
        state.lockEntries = ledger.locksOf(state.jobs);
        state.channelIds = store.channelIds();
        state.channels = new ISessionChannels.Channel[](state.channelIds.length);
        for (uint256 i = 0; i < state.channelIds.length; ++i) {
            state.channels[i] = system.channels.channelOf(state.channelIds[i]);
        }
        state.channelEntries = ledger.channelsOf(state.channelIds);
        state.windows = new Store.Window[][](LANES);
        for (uint32 laneId = 0; laneId < LANES; ++laneId) {
            state.windows[laneId] = store.windowsOf(laneId);
        }
    }

    /// @dev Error(string) and what forge's assertions fail with have one layout; anything else is shown as it is.
    function _textOf(bytes memory reason) private pure returns (string memory) {
        if (reason.length < 68) return vm.toString(reason);
        bytes memory arguments = new bytes(reason.length - 4);
        for (uint256 i = 0; i < arguments.length; ++i) {
            arguments[i] = reason[i + 4];
        }
        return abi.decode(arguments, (string));
    }

    /// @dev Hundreds of these hold at every state: only one that does not is worth a call out.
    function assertEq(uint256 left, uint256 right) internal pure override {
        if (left != right) super.assertEq(left, right);
    }

    function assertEq(bytes32 left, bytes32 right) internal pure override {
        if (left != right) super.assertEq(left, right);
    }

    function assertEq(address left, address right) internal pure override {
        if (left != right) super.assertEq(left, right);
    }

    function assertLe(uint256 left, uint256 right) internal pure override {
        if (left > right) super.assertLe(left, right);
    }

    function assertGe(uint256 left, uint256 right) internal pure override {
        if (left < right) super.assertGe(left, right);
    }

    function _addActors() private {
        for (uint256 i = 0; i < 3; ++i) {
            (address account, uint256 key) = makeAddrAndKey(string.concat("actor ", vm.toString(i)));
            store.addActor(account, key);
        }
        (address owner, uint256 ownerKey) = makeAddrAndKey("owner");
        store.addActor(address(new FixtureWallet(owner)), ownerKey);
    }

    function _startExits() private {
        for (uint256 i = 0; i < store.channelCount(); ++i) {
            if (channelAt(i).state != ISessionChannels.ChannelState.Open) continue;
            bytes32 channelId = store.channelAt(i);
            vm.prank(channelAt(i).payer);
            system.channels.startExit(channelId);
        }
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            IProviderRegistry.Provider memory provider = system.registry.providerOf(id);
            if (provider.status == IProviderRegistry.ProviderStatus.Retired) continue;
            vm.prank(provider.admin);
            system.registry.retire(id);
        }
    }

    function _takeEverythingOut() private {
        Store.Job[] memory jobs = store.jobs();
        ICreditVault.Lock[] memory locks = locksOf(jobs);
        for (uint256 i = 0; i < jobs.length; ++i) {
            if (locks[i].state == ICreditVault.LockState.Open) system.vault.release(jobs[i].jobId);
        }
        for (uint256 i = 0; i < store.channelCount(); ++i) {
            if (channelAt(i).state == ISessionChannels.ChannelState.Closing) {
                system.channels.exit(store.channelAt(i));
            }
        }
        for (uint32 id = 1; id <= system.registry.providerCount(); ++id) {
            if (system.treasury.payableOf(id) >= 1000) system.treasury.payProvider(id);
            vm.prank(system.registry.providerOf(id).admin);
            system.registry.returnBond(id);
        }
        if (system.treasury.feesPayable() >= 1000) system.treasury.payFees();
        for (uint256 i = 0; i < store.actorCount(); ++i) {
            _empty(store.actorAt(i).account);
        }
    }

    function _empty(address account) private {
        uint128 freeNano = system.vault.balanceOf(account);
        vm.startPrank(account);
        if (freeNano != 0) system.vault.withdrawCredit(freeNano, account);
        uint256 tokenNano = system.token.balanceOf(account);
        if (tokenNano >= 1000) system.vault.redeem(tokenNano - tokenNano % 1000, account);
        vm.stopPrank();
    }
}
