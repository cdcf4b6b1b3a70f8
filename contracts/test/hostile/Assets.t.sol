// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ICapabilityAuthority} from "../../src/interfaces/ICapabilityAuthority.sol";
import {ICreditVault} from "../../src/interfaces/ICreditVault.sol";
import {MockUSDC} from "../../src/mocks/MockUSDC.sol";
import {Capability} from "../../src/types/Capability.sol";
import {FixtureCallbackAsset, FixtureFeeAsset} from "../utils/FixtureAssets.sol";
import {FixtureVault} from "../utils/FixtureVault.sol";

/// @notice An asset that moves nothing and says so instead of reverting.
contract FalseAsset is MockUSDC {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @notice Assets that lie, keep a part, or call back.
contract HostileAssetsTest is FixtureVault {
    function test_AssetThatReturnsFalseMintsNothing() public {
        _deploy(new FalseAsset());
        _approveAssets(tenant, USDC);
        vm.prank(tenant);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, asset));
        vault.deposit(USDC, tenant);
        assertEq(token.totalSupply(), 0);
        assertEq(vault.balanceOf(tenant), 0);
    }

    function test_AssetThatKeepsAFeeMintsNothing() public {
        _deploy(new FixtureFeeAsset());
        _approveAssets(tenant, USDC);
        vm.prank(tenant);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditVault.CreditVault_AssetShortfall.selector, USDC, USDC * 99 / 100)
        );
        vault.deposit(USDC, tenant);
        assertEq(token.totalSupply(), 0);
    }

    function test_AssetThatReentersGainsNothing() public {
        FixtureCallbackAsset callback = new FixtureCallbackAsset();
        _deploy(callback);
        _deposit(tenant, 10 * USDC);
        callback.callDuringTransfer(address(vault), abi.encodeCall(ICreditVault.redeem, (CREDIT, stranger)));
        vm.prank(tenant);
        vault.withdraw(CREDIT, tenant);
        bytes4 refusal = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        assertEq(bytes4(callback.failure()), refusal);
        assertEq(asset.balanceOf(address(vault)) * 1000, token.totalSupply());
    }

    function test_SignatureWithHighSLocksNothing() public {
        _deposit(tenant, USDC);
        Capability memory capability = _capability("job", CREDIT);
        bytes memory malleated = _malleated(_signed(capability));
        vm.expectRevert(
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, tenant)
        );
        vault.lock(capability, malleated);
        assertEq(vault.balanceOf(tenant), CREDIT);
    }

    function test_CompactSignatureLocksNothing() public {
        _deposit(tenant, USDC);
        Capability memory capability = _capability("job", CREDIT);
        (bytes32 r, bytes32 s, uint8 v) = _split(_signed(capability));
        bytes memory compact = abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
        vm.expectRevert(
            abi.encodeWithSelector(ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, tenant)
        );
        vault.lock(capability, compact);
        assertEq(vault.balanceOf(tenant), CREDIT);
    }
}

/// @notice What an ERC-1271 account answers when asked for a signature.
contract HostileWallet {
    enum Answer {
        Revert,
        Nothing,
        Garbage,
        DirtyMagic,
        BurnGas
    }

    Answer public answer;

    function set(Answer answer_) external {
        answer = answer_;
    }

    function isValidSignature(bytes32, bytes calldata) external view {
        Answer answer_ = answer;
        if (answer_ == Answer.Revert) revert("no");
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

/// @notice Accounts that lie about their own signatures: all they may hurt is themselves.
contract HostileWalletsTest is FixtureVault {
    HostileWallet private _wallet = new HostileWallet();

    function test_WalletThatDoesNotAnswerTheMagicValueLocksNothing() public {
        vm.etch(tenant, address(_wallet).code);
        _deposit(tenant, USDC);
        Capability memory capability = _capability("job", CREDIT);
        for (uint8 i = 0; i <= uint8(type(HostileWallet.Answer).max); ++i) {
            HostileWallet(tenant).set(HostileWallet.Answer(i));
            vm.expectRevert(
                abi.encodeWithSelector(
                    ICapabilityAuthority.CapabilityAuthority_InvalidSignature.selector, tenant
                )
            );
            vault.lock{gas: 1_000_000}(capability, "");
            assertEq(vault.balanceOf(tenant), CREDIT);
            assertEq(uint8(vault.lockOf(capability.jobId).state), uint8(ICreditVault.LockState.None));
        }
    }
}
