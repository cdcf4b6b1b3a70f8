import type { BatchHeader } from "@tac/protocol";
import type { LanePosition } from "../chain/ChainPort.ts";

/** The one place in a lane that the next batch takes; what replicas decide on is one batch for each position. */
export type Position = LanePosition & { laneId: number };

/**
 * Names a position. The epoch and the previous batch are part of it, because a batch of another epoch, or one that
 * continues a batch which a reorganisation and a rotation together made void, can never be accepted here.
 */
export const positionKey = ({ laneId, keyEpoch, nextBatchNumber, lastBatchHash }: Position): string =>
  `${laneId}/${keyEpoch}/${nextBatchNumber}/${lastBatchHash}`;

/** Whether a batch continues its lane at this position. */
export const continues = (header: BatchHeader.BatchHeader, position: Position): boolean =>
  header.laneId === position.laneId &&
  header.keyEpoch === position.keyEpoch &&
  header.batchNumber === position.nextBatchNumber &&
  header.windowStart === position.lastWindowEnd &&
  header.previousBatchHash === position.lastBatchHash;
