import type { Metrics } from "@tac/kit";

export type ReplicaMetrics = ReturnType<typeof createReplicaMetrics>;

/** What an operator watches of one replica. */
export const createReplicaMetrics = (metrics: Metrics) => ({
  receiptLagMs: metrics.gauge(
    "receipt_lag_ms",
    "Age of the oldest event that no batch covers, in milliseconds",
  ),
  queueDepth: metrics.gauge("queue_depth", "Entries that wait", ["queue"]),
  feedLag: metrics.gauge("feed_lag_events", "Events a gateway has recorded that were not pulled", [
    "gateway",
  ]),
  feedStopped: metrics.gauge("feed_stopped", "1 while a broken feed is pulled no further", ["gateway"]),
  signerUp: metrics.gauge("signer_up", "1 while the replica answers our rounds with votes and signatures", [
    "replica",
  ]),
  followedBlock: metrics.gauge("chain_followed_block", "The newest block this replica acts on"),
  reorganisations: metrics.counter(
    "chain_reorganisations_total",
    "Times the chain replaced blocks we had followed",
  ),
  rpcUp: metrics.gauge("rpc_endpoint_up", "1 while the endpoint answers, by its place in RPC_URLS", [
    "place",
  ]),
  batches: metrics.counter("batches_applied_total", "Committed batches applied to the store"),
  submissions: metrics.counter("batch_submissions_total", "Transactions sent or refused", ["outcome"]),
  refusals: metrics.counter("proposals_refused_total", "Proposals of peers this replica refused"),
  misdeeds: metrics.counter("misdeeds_total", "What other replicas did that an honest one does not", [
    "replica",
    "guilt",
  ]),
  complaints: metrics.counter("ceremony_complaints_total", "Dealers this replica caught in a key ceremony", [
    "replica",
  ]),
  keyEpoch: metrics.gauge("key_epoch", "The key epoch of the shares this replica runs with"),
  divergences: metrics.counter(
    "batch_divergences_total",
    "Committed batches this replica would have built otherwise",
  ),
  loopErrors: metrics.counter("loop_errors_total", "Steps that failed and are tried again", ["loop"]),
});
