import type { Logger } from "@tac/kit";
import type { Deployment } from "@tac/protocol";
import type { ChainPort, Lane } from "../chain/ChainPort.ts";
import type { FeedPuller } from "../feed/FeedPuller.ts";
import type { GatewayPort } from "../feed/GatewayPort.ts";
import type { AggregatorSet } from "../keys/AggregatorSet.ts";
import { isKeyOf } from "../keys/KeyRing.ts";
import type { KeyShare, PublicKeyOfEpoch } from "../keys/KeyShare.ts";
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
  keys: KeyEpochs;
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

/** How a replica learns which keys there are, and tells what it learnt of them. */
export type KeyEpochs = {
  /** The public part of the key of any epoch, as far as this replica knows it. */
  publicOf(keyEpoch: number): PublicKeyOfEpoch | null;
  /** The chain said which key the lane has now. */
  onLane(lane: Lane): void;
  /** A batch of this key epoch was committed, so its holders have signed. */
  onCommitted(keyEpoch: number): void;
};

export const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether the lane waits for a batch signed with the shares this replica runs with. */
export const holdsLaneKey = ({ key }: Pick<Context, "key">, lane: Lane): boolean => isKeyOf(key, lane);
