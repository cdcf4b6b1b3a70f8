import type { AggregatorSet } from "./AggregatorSet.ts";
import type { NodeKey } from "./NodeKey.ts";

/**
 * A node has one id in all sets it is in, because gateways and peers know it by that id. Errors: an Error that names what
 * does not match.
 */
export const assertOwnEntry = (sets: readonly AggregatorSet[], replica: number, nodeKey: NodeKey): void => {
  const entries = sets.flatMap(({ replicas }) => replicas);
  const own = entries.filter(({ nodePublicKey }) => nodePublicKey === nodeKey.nodePublicKey);
  if (own.length === 0)
    throw new Error("NODE_KEY_FILE is the key of no replica in AGGREGATORS_FILE or NEXT_AGGREGATORS_FILE.");
  const wrong = own.find(
    ({ id, encryptionPublicKey }) => id !== replica || encryptionPublicKey !== nodeKey.encryptionPublicKey,
  );
  if (wrong !== undefined)
    throw new Error(
      `NODE_KEY_FILE is the key of replica ${wrong.id} in the sets, with the same or another encryption key; REPLICA_ID is ${replica}.`,
    );
};
