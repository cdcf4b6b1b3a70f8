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

/// @notice The whole system with every handler at work on it. What is mocked is one precompile's answer: the pairing
/// says yes, so that a campaign settles hundreds of batches; the signature itself is proven in test/unit/BLS12381.
abstract contract InvariantTest is SystemTest {
    address internal constant PAIRING = address(0x0f);
    uint32 internal constant LANES = 2;

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

    /// @dev Asserts that no handler saw the rule broken.
    function assertKept(bytes32 id) internal view {
        assertEq(store.violations(id), 0, store.violationOf(id));
    }

    function lockAt(uint256 index) internal view returns (ICreditVault.Lock memory) {
        return system.vault.lockOf(store.jobAt(index).jobId);
    }

    function channelAt(uint256 index) internal view returns (ISessionChannels.Channel memory) {
        return system.channels.channelOf(store.channelAt(index));
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
        for (uint256 i = 0; i < store.jobCount(); ++i) {
            if (lockAt(i).state == ICreditVault.LockState.Open) system.vault.release(store.jobAt(i).jobId);
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
