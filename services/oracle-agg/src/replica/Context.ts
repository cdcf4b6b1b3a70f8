import type { Logger } from "@tac/kit";
import type { Deployment } from "@tac/protocol";
import { type Hex, keccak256 } from "viem";
import type { ChainPort, Lane } from "../chain/ChainPort.ts";
import type { FeedPuller } from "../feed/FeedPuller.ts";
import type { GatewayPort } from "../feed/GatewayPort.ts";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import type { KeyShare } from "../keys/KeyShare.ts";
import type { PeerPort } from "../peers/PeerPort.ts";
import type { Crypto } from "../protocol/Crypto.ts";
import type { BatchStore } from "../store/BatchStore.ts";
import type { DeliveryStore } from "../store/DeliveryStore.ts";
import type { FeedStore } from "../store/FeedStore.ts";
import type { VoteStore } from "../store/VoteStore.ts";
import type { ReplicaMetrics } from "./ReplicaMetrics.ts";

/** All that the parts of one replica share. */
export type Context = {
  replica: number;
  set: AggregatorSet;
  key: KeyShare;
  deployment: Deployment.Deployment;
  domains: Deployment.Domains;
  chain: ChainPort;
  feeds: FeedStore;
  batches: BatchStore;
  votes: VoteStore;
  deliveries: DeliveryStore;
  pullers: readonly FeedPuller[];
  gateways: readonly GatewayPort[];
  /** The other replicas. */
  peers: readonly PeerPort[];
  windowMs: bigint;
  leaderTimeoutMs: bigint;
  crypto: Crypto;
  nowMs: () => bigint;
  logger: Logger;
  metrics: ReplicaMetrics;
};

export const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The hash by which the chain knows the group's public key. */
export const keyHashOf = (key: KeyShare): Hex => keccak256(key.groupPublicKey);

/** The lane waits for a key this replica does not have a share of. */
export const holdsLaneKey = ({ key }: Context, lane: Lane): boolean => lane.keyHash === keyHashOf(key);
