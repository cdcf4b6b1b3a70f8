-- Up Migration

-- One link per job and committed statement: the hash stands in the last entry of each statement and covers the link
-- before and all entries since. Links of one entry are what they were before.
ALTER TABLE ledger_entries DROP COLUMN previous_hash;
ALTER TABLE ledger_entries ALTER COLUMN hash DROP NOT NULL;
-- Every receipt has its capture, also one that costs nothing.
ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_amount_is_positive;
ALTER TABLE ledger_entries ADD CONSTRAINT ledger_entries_amount_is_positive
  CHECK (amount_nano > 0 OR (amount_nano = 0 AND kind = 'capture'));

-- Calls that have not ended. Apart from calls, so that the end of a call changes no index of that table.
CREATE TABLE running_calls (
  call_id bytea PRIMARY KEY,
  job_id bytea NOT NULL,
  owner text NOT NULL,
  -- The budget windows that the hold was taken from, and that its end is written to, whatever is set meanwhile.
  budget_windows bigint[]
);
INSERT INTO running_calls SELECT call_id, job_id, owner FROM calls WHERE ended_at_ms IS NULL;
CREATE INDEX running_calls_by_job ON running_calls (job_id);
DROP INDEX calls_running, calls_by_job, calls_one_per_receipt;
-- Of the attempts of a call at most one runs or was charged. Told by a column that a charge does not change, so that a
-- charge touches no index.
ALTER TABLE calls ADD COLUMN is_released boolean NOT NULL DEFAULT false;
UPDATE calls SET is_released = true WHERE state = 'released';
ALTER TABLE calls ADD CONSTRAINT calls_is_released CHECK (is_released = (state = 'released'));
CREATE UNIQUE INDEX calls_one_per_receipt ON calls (receipt_id) WHERE NOT is_released;

-- The receipt of a captured call is the feed's; the call says where it stands there.
ALTER TABLE calls ADD COLUMN feed_gateway bytea, ADD COLUMN feed_seq bigint;
UPDATE calls SET feed_gateway = e.gateway, feed_seq = e.seq
  FROM feed_events e
 WHERE calls.state = 'captured' AND e.event->>'kind' = 'usage'
   AND calls.receipt_id = decode(substr(e.event->'body'->'receipt'->>'receiptId', 3), 'hex');
ALTER TABLE calls DROP CONSTRAINT calls_captured_has_receipt;
ALTER TABLE calls DROP COLUMN receipt, DROP COLUMN receipt_signature;
ALTER TABLE calls ADD CONSTRAINT calls_captured_has_receipt CHECK (
  (state = 'captured') = (feed_gateway IS NOT NULL AND feed_seq IS NOT NULL AND cost_nano IS NOT NULL));

-- Events are served as they were written, and are neither searched nor worth compressing.
ALTER TABLE feed_events DISABLE TRIGGER feed_events_append_only;
ALTER TABLE feed_events ALTER COLUMN event TYPE json;
ALTER TABLE feed_events ENABLE TRIGGER feed_events_append_only;
ALTER TABLE feed_events SET (toast_tuple_target = 8160);
ALTER TABLE calls SET (toast_tuple_target = 8160);

-- Proofs expire in the order in which they came.
DROP INDEX used_proofs_by_expiry;
CREATE INDEX used_proofs_by_expiry ON used_proofs USING brin (expires_at_ms) WITH (autosummarize = on);

-- Down Migration

DO $$ BEGIN RAISE EXCEPTION 'receipts do not go back into calls'; END $$;
