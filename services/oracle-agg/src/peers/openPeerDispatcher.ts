import { certificateNames, TlsDispatcher, type TlsSource } from "@tac/kit";
import { Agent, type Dispatcher } from "undici";
import type { ReplicaEntry } from "../keys/AggregatorSet.ts";

/** Connections to one replica of the set, and to nobody else who has a certificate of the same authority. */
export const openPeerDispatcher = (
  { nodePublicKey }: Pick<ReplicaEntry, "nodePublicKey">,
  source: TlsSource,
): Dispatcher =>
  new TlsDispatcher({
    source,
    serverName: certificateNames.aggregator(nodePublicKey),
    create: (connect) => new Agent({ connect, connections: 4 }),
  });
