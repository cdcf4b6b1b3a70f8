import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { PeerAuth } from "@tac/protocol";
import { z } from "zod";

const aggregatorsSchema = z.object({
  replicas: z.array(z.object({ id: z.int().min(1), nodePublicKey: z.string() })).min(1),
});

/** Reads AGGREGATORS_FILE: the keys of the nodes that may read the feed, by node id. Weak keys are refused. */
export function loadPeers(file: string): Map<string, KeyObject> {
  const { replicas } = aggregatorsSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  return new Map(replicas.map(({ id, nodePublicKey }) => [id.toString(), PeerAuth.enrol(nodePublicKey)]));
}
