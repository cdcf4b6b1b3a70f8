export { type GroupKey, runCeremony } from "./dkg/runCeremony.ts";
export { type AggregatorSet, loadAggregatorSet } from "./keys/AggregatorSet.ts";
export { generateNodeKey, loadNodeKey, nodeKeyToJson } from "./keys/NodeKey.ts";
export { openPeerDispatcher } from "./peers/openPeerDispatcher.ts";
export { createPeerPort } from "./peers/PeerPort.ts";
export { type Draft, type Vote, voteSchema, voteText } from "./protocol/Certificate.ts";
export { positionKey } from "./protocol/Position.ts";
export { leaderOf } from "./rules/schedule.ts";
export { type BatchBody, batchBodySchema } from "./store/content.ts";
