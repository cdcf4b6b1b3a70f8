// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {IParamGovernor} from "../../src/interfaces/IParamGovernor.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {ISessionChannels} from "../../src/interfaces/ISessionChannels.sol";
import {ISettlementTreasury} from "../../src/interfaces/ISettlementTreasury.sol";
import {IUsageReceipts} from "../../src/interfaces/IUsageReceipts.sol";
import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {Line} from "../../src/types/Line.sol";
import {FixtureFeeAsset} from "../utils/FixtureAssets.sol";
import {FixtureNotifyingAsset, HostilePayout} from "../utils/FixtureNotifyingAsset.sol";
import {SystemTest} from "../utils/SystemTest.sol";

/// @notice Payout addresses of providers, and fee recipients, that revert, burn gas or call back: paid by an asset that
/// lets them, which USDC does not. Both providers are owed 99,000 nanocredits, and 2,000 are fees.
contract HostilePayoutsTest is SystemTest {
    HostilePayout private _payout;
    uint32 private _hostile;
    uint32 private _honest;
    address private _honestPayout = makeAddr("payout");

    function setUp() public override {
        super.setUp();
        _payout = new HostilePayout();
        _honest = addProvider(address(this));
        _hostile =
            system.registry.register(address(_payout), makeAddr("key"), "ipfs://", keccak256("tariff"), 0);
        vm.prank(address(system.governor));
        system.registry.approve(_hostile);
        bytes32 jobId = lockJob("job", 1_000_000);
        Line[] memory lines = new Line[](2);
        lines[0] = line(jobId, _honest, 100_000, false);
        lines[1] = line(jobId, _hostile, 100_000, false);
        vm.prank(address(system.receipts));
        system.treasury.settle("batch", 200_000, 0, lines);
        // What the hostile one has of its own to play with, inside the vault.
        fund(address(_payout), 50_000);
        vm.etch(address(usdc), address(new FixtureNotifyingAsset()).code);
        skip(60);
    }

    function test_PayoutThatRevertsOrBurnsGasKeepsItsClaimAndStopsNobody() public {
        for (uint8 i = 1; i <= uint8(HostilePayout.Reaction.BurnGas); ++i) {
            _payout.set(HostilePayout.Reaction(i));
            vm.expectRevert();
            system.treasury.payProvider{gas: 1_000_000}(_hostile);
            assertEq(system.treasury.payableOf(_hostile), 99_000);
        }
        assertEq(system.treasury.payProvider(_honest), 99);
        assertEq(system.treasury.payFees(), 2);
        _assertWhole();
        // The money waits for it.
        _payout.set(HostilePayout.Reaction.Accept);
        assertEq(system.treasury.payProvider(_hostile), 99);
    }

    function test_FeeRecipientThatRevertsStopsOnlyTheFees() public {
        setParam("feeRecipient", uint160(address(_payout)));
        _payout.set(HostilePayout.Reaction.Revert);
        vm.expectRevert("not today");
        system.treasury.payFees();
        assertEq(system.treasury.feesPayable(), 2000);
        assertEq(system.treasury.payProvider(_honest), 99);
        setParam("feeRecipient", uint160(feeRecipient));
        assertEq(system.treasury.payFees(), 2);
        _assertWhole();
    }

    /// @dev What moves the asset is shut while it moves.
    function test_PayoutThatReentersWhatMovesTheAssetIsRefused() public {
        bytes memory refusal =
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        address vault = address(system.vault);
        _reenter(vault, abi.encodeCall(ICreditVault.deposit, (1, address(_payout))), refusal);
        _reenter(
            vault, abi.encodeCall(ICreditVault.depositWithPermit, (1, address(_payout), 0, 0, 0, 0)), refusal
        );
        _reenter(vault, abi.encodeCall(ICreditVault.withdraw, (1000, address(_payout))), refusal);
        _reenter(vault, abi.encodeCall(ICreditVault.redeem, (1000, address(_payout))), refusal);
        address treasury = address(system.treasury);
        _reenter(treasury, abi.encodeCall(ISettlementTreasury.payProvider, (_honest)), refusal);
        _reenter(treasury, abi.encodeCall(ISettlementTreasury.payFees, ()), refusal);
        // Its own claim is spent before the money moves.
        _reenter(
            treasury,
            abi.encodeCall(ISettlementTreasury.payProvider, (_hostile)),
            abi.encodeWithSelector(ISettlementTreasury.SettlementTreasury_NothingPayable.selector, _hostile)
        );
    }

    function test_PayoutThatReentersWhatIsNotItsToCallIsRefused() public {
        address self = address(_payout);
        _reenter(
            address(system.treasury),
            abi.encodeCall(ISettlementTreasury.settle, ("batch", 1000, 0, new Line[](0))),
            abi.encodeWithSelector(ISettlementTreasury.SettlementTreasury_NotReceipts.selector, self)
        );
        _reenter(
            address(system.vault),
            abi.encodeCall(ICreditVault.charge, (new ICreditVault.Charge[](0), 0)),
            abi.encodeWithSelector(ICreditVault.CreditVault_NotTreasury.selector, self)
        );
        _reenter(
            address(system.vault),
            abi.encodeCall(ICreditVault.pullForChannel, (tenant, 1)),
            abi.encodeWithSelector(ICreditVault.CreditVault_NotChannels.selector, self)
        );
        _reenter(
            address(system.receipts),
            abi.encodeCall(IUsageReceipts.rotateKey, (0, aggregatorPublicKey, new bytes(128))),
            abi.encodeWithSelector(IUsageReceipts.UsageReceipts_NotGovernor.selector, self)
        );
        _reenter(
            address(system.governor),
            abi.encodeCall(IParamGovernor.pause, (1)),
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector,
                self,
                system.governor.GUARDIAN_ROLE()
            )
        );
        _reenter(
            address(system.registry),
            abi.encodeCall(IProviderRegistry.returnBond, (_honest)),
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotAdmin.selector, _honest, self)
        );
    }

    /// @dev Open to anyone at any moment, and worth no more in the middle of a payout.
    function test_PayoutThatReentersWithItsOwnCreditMovesThatAndNoMore() public {
        address self = address(_payout);
        _reenterAndSucceed(
            address(system.vault), abi.encodeCall(ICreditVault.moveCredit, (_honestPayout, 50_000))
        );
        assertEq(system.vault.balanceOf(_honestPayout), 50_000);
        assertEq(system.vault.balanceOf(self), 0);
    }

    function test_PayoutThatReentersWithAWithdrawalOfCreditKeepsTheReserve() public {
        _reenterAndSucceed(
            address(system.vault), abi.encodeCall(ICreditVault.withdrawCredit, (50_000, address(_payout)))
        );
        assertEq(system.token.balanceOf(address(_payout)), 50_000);
    }

    function test_PayoutThatReentersWithAChannelOpensItOnce() public {
        _reenterAndSucceed(
            address(system.channels), abi.encodeCall(ISessionChannels.open, (_honestPayout, "salt", 50_000))
        );
        assertEq(system.vault.balanceOf(address(system.channels)), 50_000);
    }

    /// @dev A batch settled in the middle of a payout to its own provider credits it once, for a later payout.
    function test_PayoutThatReentersWithABatchIsCreditedOnce() public {
        Line[] memory lines = new Line[](1);
        lines[0] = line(system.authority.jobIdOf(tenant, "job"), _hostile, 10_000, false);
        BatchHeader memory header = headerFor(lines);
        bytes memory call_ =
            abi.encodeCall(IUsageReceipts.submit, (header, lines, signHeader(header), aggregatorPublicKey));
        _reenterAndSucceed(address(system.receipts), call_);
        assertEq(system.treasury.payableOf(_hostile), 9900);
        assertEq(system.treasury.payProvider(_hostile), 9);
        assertEq(usdc.balanceOf(address(_payout)), 108);
        _assertWhole();
    }

    /// @dev An upgradeable asset may begin to keep a part: the receiver bears it, not the reserve.
    function test_AssetThatBeginsToKeepAFeeCostsOnlyWhoIsPaid() public {
        vm.etch(address(usdc), address(new FixtureFeeAsset()).code);
        assertEq(system.treasury.payProvider(_honest), 99);
        assertEq(usdc.balanceOf(_honestPayout), 99);
        _assertWhole();
    }

    function _reenter(address target, bytes memory call_, bytes memory reason) private {
        uint256 before = vm.snapshotState();
        _payWhileReentering(target, call_);
        assertFalse(_payout.succeeded());
        assertEq(_payout.answer(), reason);
        vm.revertToState(before);
    }

    function _reenterAndSucceed(address target, bytes memory call_) private {
        _payWhileReentering(target, call_);
        assertTrue(_payout.succeeded());
    }

    function _payWhileReentering(address target, bytes memory call_) private {
        _payout.reenterWith(target, call_);
        assertEq(system.treasury.payProvider(_hostile), 99);
        assertEq(_payout.timesCalled(), 1);
        assertEq(usdc.balanceOf(address(_payout)), 99);
        assertEq(system.treasury.payableOf(_honest), 99_000);
        _assertWhole();
    }

    function _assertWhole() private view {
        assertEq(usdc.balanceOf(address(system.vault)) * 1000, system.token.totalSupply());
        assertEq(
            system.vault.balanceOf(address(system.treasury)),
            uint256(system.treasury.payableOf(_hostile)) + system.treasury.payableOf(_honest)
                + system.treasury.feesPayable()
        );
    }
}
