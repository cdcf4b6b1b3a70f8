// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice What the handlers share and remember: who acts, what exists, and which rules were seen broken. It knows
/// nothing of amounts; those are in Ledger.
contract Store {
    struct Actor {
        address account;
        /// @dev Signs for the account: its own key, or that of the owner of an ERC-1271 wallet.
        uint256 key;
    }

    struct Job {
        bytes32 jobId;
        bytes32 salt;
        uint256 actor;
        uint64 maxSpendNano;
        uint40 validAfter;
        uint40 expiresAt;
    }

    struct Window {
        uint64 batchNumber;
        uint64 windowStart;
        uint64 windowEnd;
        bytes32 previousBatchHash;
        bytes32 batchHash;
        bytes32 receiptsRoot;
    }

    Actor[] private _actors;
    Job[] private _jobs;
    bytes32[] private _channelIds;
    mapping(uint32 laneId => Window[]) private _windows;
    mapping(uint32 laneId => bytes[]) private _publicKeys;
    mapping(uint32 providerId => bytes32[]) private _tariffHashes;
    mapping(address account => uint256 key) public keyOf;
    mapping(bytes32 channelId => uint64 cumulativeNano) public largestVoucherNano;
    mapping(bytes32 id => uint256 count) public violations;
    mapping(bytes32 id => string what) public violationOf;
    mapping(bytes4 action => uint256 count) public actions;
    /// @dev Counts changes of capWindowSeconds: with one, the numbering of the cap's windows begins anew.
    uint256 public capWindowChanges;
    mapping(bytes32 window => uint256 paidNano) public paidInCapWindow;

    function addActor(address account, uint256 key) external {
        _actors.push(Actor(account, key));
        keyOf[account] = key;
    }

    function addJob(Job calldata job) external {
        _jobs.push(job);
    }

    function addChannel(bytes32 channelId) external {
        _channelIds.push(channelId);
    }

    function addWindow(uint32 laneId, Window calldata window) external {
        _windows[laneId].push(window);
    }

    function addKey(uint32 laneId, bytes calldata publicKey) external {
        _publicKeys[laneId].push(publicKey);
    }

    function noteVoucher(bytes32 channelId, uint64 cumulativeNano) external {
        if (cumulativeNano > largestVoucherNano[channelId]) largestVoucherNano[channelId] = cumulativeNano;
    }

    function noteCapWindowChange() external {
        capWindowChanges += 1;
    }

    function addTariff(uint32 providerId, bytes32 tariffHash) external {
        _tariffHashes[providerId].push(tariffHash);
    }

    function addPaid(uint32 providerId, uint256 windowIndex, uint256 paidNano)
        external
        returns (uint256 allNano)
    {
        bytes32 window = keccak256(abi.encode(providerId, windowIndex, capWindowChanges));
        allNano = paidInCapWindow[window] += paidNano;
    }

    /// @notice An invariant that a handler saw broken, which the test of the same id reports.
    function violate(bytes32 id, string calldata what) external {
        violations[id] += 1;
        violationOf[id] = what;
    }

    function count(bytes4 action) external {
        actions[action] += 1;
    }

    function actorAt(uint256 index) external view returns (Actor memory) {
        return _actors[index % _actors.length];
    }

    function actors() external view returns (Actor[] memory) {
        return _actors;
    }

    function actorCount() external view returns (uint256) {
        return _actors.length;
    }

    function jobAt(uint256 index) external view returns (Job memory) {
        return _jobs[index % _jobs.length];
    }

    function jobs() external view returns (Job[] memory) {
        return _jobs;
    }

    function jobCount() external view returns (uint256) {
        return _jobs.length;
    }

    function channelAt(uint256 index) external view returns (bytes32) {
        return _channelIds[index % _channelIds.length];
    }

    function channelIds() external view returns (bytes32[] memory) {
        return _channelIds;
    }

    function channelCount() external view returns (uint256) {
        return _channelIds.length;
    }

    /// @dev Epochs count from one; an epoch that never was has no key.
    function publicKeyOf(uint32 laneId, uint32 keyEpoch) external view returns (bytes memory) {
        return keyEpoch == 0 ? bytes("") : _publicKeys[laneId][keyEpoch - 1];
    }

    function keyCount(uint32 laneId) external view returns (uint256) {
        return _publicKeys[laneId].length;
    }

    function tariffHashesOf(uint32 providerId) external view returns (bytes32[] memory) {
        return _tariffHashes[providerId];
    }

    function windowsOf(uint32 laneId) external view returns (Window[] memory) {
        return _windows[laneId];
    }

    function windowCount(uint32 laneId) external view returns (uint256) {
        return _windows[laneId].length;
    }
}
