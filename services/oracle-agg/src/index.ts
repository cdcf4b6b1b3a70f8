export { type GroupKey, runCeremony } from "./dkg/runCeremony.ts";
export { type AggregatorSet, loadAggregatorSet } from "./keys/AggregatorSet.ts";
export { generateNodeKey, nodeKeyToJson } from "./keys/NodeKey.ts";
export { leaderOf } from "./rules/schedule.ts";
export { type BatchBody, batchBodySchema } from "./store/content.ts";
