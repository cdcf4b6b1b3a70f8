// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";
import {ISettlementTreasury} from "../../../src/interfaces/ISettlementTreasury.sol";
import {LineLib} from "../../../src/libraries/LineLib.sol";
import {Line, LineOutcome, LineStatus} from "../../../src/types/Line.sol";
import {SystemTest} from "../../utils/SystemTest.sol";

/// @notice What the interfaces say of a settlement, written down in plain Solidity, line after line, and compared with
/// what treasury and vault do in assembly.
contract SettlementReferenceTest is SystemTest {
    uint64 private constant LOCK_NANO = 2e9;
    uint32 private constant PROVIDERS = 3;
    uint256 private constant CAP_NANO = 3e9;
    uint256 private constant FEE_BPS = 137;

    bytes32[] private _jobIds;
    mapping(bytes32 jobId => uint256) private _remainingNano;
    mapping(bytes32 jobId => bool) private _isClosed;
    mapping(uint32 providerId => uint256) private _paidNano;
    mapping(uint32 providerId => uint256) private _askedNano;
    bytes32 private _revoked;
    uint256 private _revokedAt;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < PROVIDERS; ++i) {
            addProvider(address(this));
        }
        vm.prank(address(system.governor));
        system.registry.suspend(PROVIDERS);
        setParam("providerCapNano", CAP_NANO);
        setParam("feeBps", FEE_BPS);
        _jobIds = lockJobs(6, LOCK_NANO);
        _revoked = system.authority.jobIdOf(tenant, bytes32(uint256(1)));
        vm.prank(tenant);
        system.authority.revoke(bytes32(uint256(1)));
        _revokedAt = block.timestamp;
        for (uint256 i = 0; i < _jobIds.length; ++i) {
            _remainingNano[_jobIds[i]] = LOCK_NANO;
        }
    }

    function testFuzz_SettlesAsThePlainReading(
        uint256 seed,
        uint8 count,
        uint256 totalNano,
        uint256 graceSeconds
    ) public {
        // By then half of these graces are over.
        setParam("graceSeconds", bound(graceSeconds, 1 hours, 1 hours + 1 minutes));
        skip(1 hours + 30 seconds);
        Line[] memory lines = _lines(seed, bound(count, 0, 12));
        totalNano = bound(totalNano, 0, 20e9);
        LineOutcome[] memory actual = _settle(uint128(totalNano), lines);
        LineOutcome[] memory expected = _expect(totalNano, lines);
        for (uint256 i = 0; i < lines.length; ++i) {
            assertEq(LineOutcome.unwrap(actual[i]), LineOutcome.unwrap(expected[i]), "outcome");
        }
        for (uint256 i = 0; i < _jobIds.length; ++i) {
            assertEq(system.vault.lockOf(_jobIds[i]).remainingNano, _remainingNano[_jobIds[i]], "lock");
        }
    }

    function _expect(uint256 leftNano, Line[] memory lines) private returns (LineOutcome[] memory outcomes) {
        outcomes = new LineOutcome[](lines.length);
        uint32 lastProvider;
        bytes32 lastJob;
        for (uint256 i = 0; i < lines.length; ++i) {
            uint32 providerId = LineLib.providerId(lines[i].terms);
            uint256 amountNano = LineLib.amountNano(lines[i].terms);
            bytes32 jobId = lines[i].jobId;
            bool ascends = providerId > lastProvider || (providerId == lastProvider && jobId > lastJob);
            if (!ascends) {
                outcomes[i] = _outcome(lines[i], 0, 0, LineStatus.NotAscending);
                continue;
            }
            (lastProvider, lastJob) = (providerId, jobId);
            if (amountNano > leftNano) {
                outcomes[i] = _outcome(lines[i], 0, 0, LineStatus.OverBatchTotal);
                continue;
            }
            leftNano -= amountNano;
            outcomes[i] = _expectCharge(lines[i], providerId, amountNano);
        }
    }

    function _expectCharge(Line memory line_, uint32 providerId, uint256 amountNano)
        private
        returns (LineOutcome)
    {
        bool isActive = providerId >= 1 && providerId < PROVIDERS;
        uint256 roomNano = CAP_NANO - _askedNano[providerId];
        uint256 allowedNano = !isActive ? 0 : amountNano < roomNano ? amountNano : roomNano;
        _askedNano[providerId] += allowedNano;
        (uint256 paidNano, uint256 releasedNano, LineStatus status) = _charge(line_, allowedNano);
        if (!isActive) status = LineStatus.ProviderInactive;
        else if (amountNano > roomNano && roomNano == 0) status = LineStatus.ProviderCapReached;
        else if (amountNano > roomNano && status == LineStatus.Paid) status = LineStatus.PaidInPart;
        return _outcome(line_, paidNano, releasedNano, status);
    }

    function _charge(Line memory line_, uint256 allowedNano)
        private
        returns (uint256 paidNano, uint256 releasedNano, LineStatus status)
    {
        uint256 remainingNano = _remainingNano[line_.jobId];
        if (!_isJob(line_.jobId)) return (0, 0, LineStatus.UnknownJob);
        if (_isClosed[line_.jobId]) return (0, 0, LineStatus.LockClosed);
        uint256 graceEndsAt = _revokedAt + system.governor.param("graceSeconds");
        if (line_.jobId == _revoked && block.timestamp >= graceEndsAt) {
            status = LineStatus.Revoked;
        } else if (allowedNano <= remainingNano) {
            (paidNano, status) = (allowedNano, LineStatus.Paid);
        } else {
            paidNano = remainingNano;
            status = remainingNano == 0 ? LineStatus.LockExhausted : LineStatus.PaidInPart;
        }
        remainingNano -= paidNano;
        if (LineLib.isFinal(line_.terms)) {
            _isClosed[line_.jobId] = true;
            (releasedNano, remainingNano) = (remainingNano, 0);
        }
        _remainingNano[line_.jobId] = remainingNano;
    }

    function _outcome(Line memory line_, uint256 paidNano, uint256 releasedNano, LineStatus status)
        private
        pure
        returns (LineOutcome)
    {
        uint64 feeNano = uint64(paidNano * FEE_BPS / 10_000);
        uint32 receiptCount = LineLib.receiptCount(line_.terms);
        return LineLib.packOutcome(uint64(paidNano), feeNano, uint64(releasedNano), receiptCount, status);
    }

    function _isJob(bytes32 jobId) private view returns (bool) {
        for (uint256 i = 0; i < _jobIds.length; ++i) {
            if (_jobIds[i] == jobId) return true;
        }
        return false;
    }

    /// @dev Mostly in order; stray bits above the terms, unknown jobs and doubles among them.
    function _lines(uint256 seed, uint256 count) private view returns (Line[] memory lines) {
        lines = new Line[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint32 providerId = uint32(random % 5 == 0 ? random % 6 : 1 + i * PROVIDERS / count);
            bytes32 jobId = _jobIds[(i + random % 2) % _jobIds.length];
            if ((random >> 16) % 9 == 0) jobId = bytes32(random);
            uint64 amountNano = uint64((random >> 32) % 25e8);
            lines[i] = line(jobId, providerId, amountNano, (random >> 100) % 4 == 0);
        }
    }

    function _settle(uint128 totalNano, Line[] memory lines) private returns (LineOutcome[] memory outcomes) {
        vm.recordLogs();
        vm.prank(address(system.receipts));
        system.treasury.settle(keccak256("batch"), totalNano, uint64(block.timestamp * 1000), lines);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, lines.length + 1);
        outcomes = new LineOutcome[](lines.length);
        for (uint256 i = 0; i < lines.length; ++i) {
            assertEq(logs[i].topics[0], ISettlementTreasury.LineSettled.selector);
            assertEq(logs[i].topics[1], lines[i].jobId);
            assertEq(uint256(logs[i].topics[2]), LineLib.providerId(lines[i].terms));
            outcomes[i] = abi.decode(logs[i].data, (LineOutcome));
        }
    }
}
