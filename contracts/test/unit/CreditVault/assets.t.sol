// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MockUSDC} from "../../../src/mocks/MockUSDC.sol";
import {FixtureVault} from "../../utils/FixtureVault.sol";

/// @notice An asset whose issuer refuses to pay some addresses, as that of USDC can.
contract FixtureBlockingAsset is MockUSDC {
    mapping(address account => bool blocked) private _isBlocked;

    error FixtureBlockingAsset_Blocked(address account);

    function setBlocked(address account) external {
        _isBlocked[account] = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_isBlocked[to]) revert FixtureBlockingAsset_Blocked(to);
        super._update(from, to, value);
    }
}

/// @notice An asset that answers transfers with bytes of one's choice: none, as USDT does, or a false.
contract FixtureAnsweringAsset is MockUSDC {
    bytes private _answer;
    bool private _moves = true;

    function answerWith(bytes calldata answer_, bool moves_) external {
        (_answer, _moves) = (answer_, moves_);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (_moves) super.transfer(to, value);
        _return();
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        if (_moves) super.transferFrom(from, to, value);
        _return();
    }

    function _return() private view {
        bytes memory answer_ = _answer;
        assembly ("memory-safe") {
            return(add(answer_, 0x20), mload(answer_))
        }
    }
}

contract CreditVaultAssetsTest is FixtureVault {
    function test_RevertGiven_TheAssetBlocksTheRecipient() public {
        _deployBlocking();
        vm.prank(tenant);
        vm.expectRevert(
            abi.encodeWithSelector(FixtureBlockingAsset.FixtureBlockingAsset_Blocked.selector, tenant)
        );
        vault.withdraw(_nano(USDC), tenant);
        assertEq(vault.balanceOf(tenant), _nano(USDC));
        assertEq(token.totalSupply(), _nano(USDC));
    }

    function test_Withdraw_PaysABlockedTenantElsewhere() public {
        _deployBlocking();
        vm.prank(tenant);
        vault.withdraw(_nano(USDC), stranger);
        assertEq(asset.balanceOf(stranger), USDC);
    }

    function test_WithdrawCredit_PaysABlockedTenant() public {
        _deployBlocking();
        vm.prank(tenant);
        vault.withdrawCredit(_nano(USDC), tenant);
        assertEq(token.balanceOf(tenant), _nano(USDC));
    }

    function test_AnAssetThatAnswersNothingIsTaken() public {
        FixtureAnsweringAsset silent = _deployAnswering();
        silent.answerWith("", true);
        _deposit(tenant, USDC);
        vm.prank(tenant);
        vault.withdraw(_nano(USDC), stranger);
        assertEq(silent.balanceOf(stranger), USDC);
    }

    function test_RevertGiven_TheAssetAnswersFalseToADeposit() public {
        FixtureAnsweringAsset refusing = _deployAnswering();
        _approveAssets(tenant, USDC);
        refusing.answerWith(abi.encode(false), false);
        vm.prank(tenant);
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(refusing))
        );
        vault.deposit(USDC, tenant);
    }

    function test_RevertGiven_TheAssetAnswersFalseToAWithdrawal() public {
        FixtureAnsweringAsset refusing = _deployAnswering();
        refusing.answerWith(abi.encode(true), true);
        _deposit(tenant, USDC);
        refusing.answerWith(abi.encode(false), false);
        vm.prank(tenant);
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(refusing))
        );
        vault.withdraw(_nano(USDC), tenant);
        assertEq(vault.balanceOf(tenant), _nano(USDC));
    }

    function _deployBlocking() private {
        FixtureBlockingAsset blocking = new FixtureBlockingAsset();
        _deploy(blocking);
        _deposit(tenant, USDC);
        blocking.setBlocked(tenant);
    }

    function _deployAnswering() private returns (FixtureAnsweringAsset answering) {
        answering = new FixtureAnsweringAsset();
        _deploy(answering);
    }
}
