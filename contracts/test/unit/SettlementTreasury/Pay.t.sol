// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {ISettlementTreasury} from "../../../src/interfaces/ISettlementTreasury.sol";
import {Line} from "../../../src/types/Line.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

contract PayTest is SystemTest {
    uint32 private _providerId;
    address private _payout = makeAddr("payout");

    function setUp() public override {
        super.setUp();
        _providerId = addProvider(address(this));
    }

    function test_PaysWholeAssetUnitsAndKeepsTheRest() public {
        _credit(123_456); // fee 1,234; credit 122,222
        vm.expectEmit(address(system.treasury));
        emit ISettlementTreasury.ProviderPaid(_providerId, _payout, 122, 122_000);
        assertEq(system.treasury.payProvider(_providerId), 122);
        assertEq(usdc.balanceOf(_payout), 122);
        assertEq(system.treasury.payableOf(_providerId), 222);
    }

    function testFuzz_PaysNeverMoreThanCredited(uint64 amountNano) public {
        amountNano = uint64(bound(amountNano, 2000, 1e15));
        _credit(amountNano);
        uint128 payableNano = system.treasury.payableOf(_providerId);
        uint256 assets = system.treasury.payProvider(_providerId);
        assertEq(assets, payableNano / 1000);
        assertEq(system.treasury.payableOf(_providerId), payableNano % 1000);
        assertEq(
            system.vault.balanceOf(address(system.treasury)),
            payableNano % 1000 + system.treasury.feesPayable()
        );
    }

    function test_RetiredProviderIsStillPaid() public {
        _credit(2000);
        system.registry.retire(_providerId);
        assertEq(system.treasury.payProvider(_providerId), 1);
    }

    function test_PaymentWorksWhilePaused() public {
        _credit(200_000);
        pause();
        assertEq(system.treasury.payProvider(_providerId), 198);
        assertEq(system.treasury.payFees(), 2);
    }

    function test_PaysFees() public {
        _credit(123_456);
        vm.expectEmit(address(system.treasury));
        emit ISettlementTreasury.FeesPaid(feeRecipient, 1, 1000);
        assertEq(system.treasury.payFees(), 1);
        assertEq(usdc.balanceOf(feeRecipient), 1);
        assertEq(system.treasury.feesPayable(), 234);
    }

    /// @dev The vault refuses itself as a recipient, as a token may refuse a frozen account.
    function test_PayoutThatRevertsHurtsOnlyItsProvider() public {
        uint32 frozen = system.registry.register(address(system.vault), address(1), "", keccak256("t"), 0);
        vm.prank(address(system.governor));
        system.registry.approve(frozen);
        bytes32 jobId = lockJob("both", 20_000);
        Line[] memory lines = new Line[](2);
        lines[0] = line(jobId, _providerId, 10_000, false);
        lines[1] = line(jobId, frozen, 10_000, false);
        vm.prank(address(system.receipts));
        system.treasury.settle("batch", 20_000, 0, lines);

        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_InvalidRecipient.selector, address(system.vault))
        );
        system.treasury.payProvider(frozen);
        assertEq(system.treasury.payableOf(frozen), 9900);
        assertEq(system.treasury.payProvider(_providerId), 9);
    }

    function test_RevertWhen_NothingPayable() public {
        _credit(1000); // 990 after the fee: less than one asset unit
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlementTreasury.SettlementTreasury_NothingPayable.selector, _providerId
            )
        );
        system.treasury.payProvider(_providerId);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementTreasury.SettlementTreasury_NothingPayable.selector, 0)
        );
        system.treasury.payFees();
    }

    function test_RevertWhen_ProviderIsUnknown() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementTreasury.SettlementTreasury_UnknownProvider.selector, 77)
        );
        system.treasury.payProvider(77);
    }

    function _credit(uint64 amountNano) private {
        Line[] memory lines = new Line[](1);
        lines[0] = line(lockJob("job", amountNano), _providerId, amountNano, false);
        vm.prank(address(system.receipts));
        system.treasury.settle("batch", amountNano, 0, lines);
    }
}
