// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {ICreditVault} from "../../../src/interfaces/ICreditVault.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

contract CreditVaultDepositWithPermitTest is FixtureVault {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    struct Permit {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    function testFuzz_DepositWithPermit_NeedsNoApproval(uint256 assets) public {
        assets = bound(assets, 1, type(uint64).max);
        asset.mint(tenant, assets);
        Permit memory permit = _permit(tenantKey, assets, NOW);

        vm.expectEmit(address(vault));
        emit ICreditVault.Deposited(tenant, stranger, assets, _nano(assets));
        vm.prank(tenant);
        uint128 amountNano = vault.depositWithPermit(assets, stranger, NOW, permit.v, permit.r, permit.s);

        assertEq(amountNano, assets * 1000);
        assertEq(vault.balanceOf(stranger), amountNano);
        assertEq(asset.allowance(tenant, address(vault)), 0);
    }

    function test_DepositWithPermit_GoesOnWhenThePermitWasSubmittedBefore() public {
        asset.mint(tenant, USDC);
        Permit memory permit = _permit(tenantKey, USDC, NOW);
        vm.prank(stranger);
        asset.permit(tenant, address(vault), USDC, NOW, permit.v, permit.r, permit.s);

        vm.prank(tenant);
        vault.depositWithPermit(USDC, tenant, NOW, permit.v, permit.r, permit.s);
        assertEq(vault.balanceOf(tenant), CREDIT);
    }

    function test_RevertGiven_PermitFailsAndThereIsNoAllowance() public {
        asset.mint(tenant, USDC);
        (, uint256 otherKey) = makeAddrAndKey("other");
        Permit memory permit = _permit(otherKey, USDC, NOW);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(vault), 0, USDC)
        );
        vm.prank(tenant);
        vault.depositWithPermit(USDC, tenant, NOW, permit.v, permit.r, permit.s);
    }

    function test_RevertGiven_ThePermitIsAnothersAndTheCallerHasNoAllowance() public {
        asset.mint(tenant, USDC);
        Permit memory permit = _permit(tenantKey, USDC, NOW);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(vault), 0, USDC)
        );
        vm.prank(stranger);
        vault.depositWithPermit(USDC, stranger, NOW, permit.v, permit.r, permit.s);
    }

    function test_RevertWhen_Paused() public {
        Permit memory permit = _permit(tenantKey, USDC, NOW);
        governor.setPaused(true);
        vm.expectRevert(ICreditVault.CreditVault_Paused.selector);
        vm.prank(tenant);
        vault.depositWithPermit(USDC, tenant, NOW, permit.v, permit.r, permit.s);
    }

    function test_RevertWhen_AmountIsZero() public {
        Permit memory permit = _permit(tenantKey, 0, NOW);
        vm.expectRevert(ICreditVault.CreditVault_ZeroAmount.selector);
        vm.prank(tenant);
        vault.depositWithPermit(0, tenant, NOW, permit.v, permit.r, permit.s);
    }

    function _permit(uint256 key, uint256 assets, uint256 deadline)
        private
        view
        returns (Permit memory permit)
    {
        bytes32 structHash = keccak256(
            abi.encode(PERMIT_TYPEHASH, tenant, address(vault), assets, asset.nonces(tenant), deadline)
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", asset.DOMAIN_SEPARATOR(), structHash));
        (permit.v, permit.r, permit.s) = vm.sign(key, digest);
    }
}
