-- Up Migration

-- What an event said is kept word for word, as its hash was made of it. A receipt of this replica's own feed is read from
-- there when its batch is shown; a copy of it is kept only of what came from a peer.
ALTER TABLE event_bodies RENAME TO event_texts;
ALTER TABLE event_texts RENAME COLUMN body TO text;
ALTER TABLE event_texts ALTER COLUMN text TYPE text COLLATE "C";
UPDATE event_texts t SET text = format('{"body":%s,"gateway":"%s","kind":"%s","previousHash":"%s","recordedAtMs":"%s","seq":"%s","hash":"%s"}',
    t.text, e.gateway, e.kind, e.previous_hash, e.recorded_at_ms, e.seq, e.hash)
  FROM (SELECT *, lag(hash, 1, '0x' || repeat('0', 64)) OVER (PARTITION BY gateway ORDER BY seq) AS previous_hash FROM events) AS e
 WHERE e.gateway = t.gateway AND e.seq = t.seq;
ALTER TABLE receipts ADD COLUMN seq bigint, ALTER COLUMN receipt DROP NOT NULL, ALTER COLUMN receipt_signature DROP NOT NULL,
  ADD CONSTRAINT receipts_have_text CHECK ((seq IS NULL) = (receipt IS NOT NULL AND receipt_signature IS NOT NULL));

-- What batches are built from; cost and time hold a uint64, which bigint does not. An accepted receipt of before has no
-- leaf here, and gets it from its text should its batch be taken back.
ALTER TABLE events ADD COLUMN proof_hash text, ADD COLUMN tariff_hash text, ADD COLUMN provider_id bigint,
  ADD COLUMN cost_nano numeric(20, 0), ADD COLUMN occurred_at_ms numeric(20, 0), ADD COLUMN countersigned boolean,
  ADD COLUMN leaf text;
UPDATE events SET proof_hash = receipt->>'proofHash', tariff_hash = receipt->>'tariffHash',
  provider_id = (receipt->>'providerId')::bigint, cost_nano = (receipt->>'costNano')::numeric,
  occurred_at_ms = (receipt->>'occurredAtMs')::numeric, countersigned = (receipt->>'countersigned')::boolean
  WHERE kind = 'usage';
ALTER TABLE events DROP CONSTRAINT events_usage_has_receipt, DROP COLUMN receipt, DROP COLUMN receipt_signature;
ALTER TABLE events ADD CONSTRAINT events_usage_has_receipt CHECK ((kind = 'usage') = (receipt_id IS NOT NULL
  AND proof_hash IS NOT NULL AND tariff_hash IS NOT NULL AND provider_id IS NOT NULL AND cost_nano IS NOT NULL
  AND occurred_at_ms IS NOT NULL AND countersigned IS NOT NULL));

-- Which batch covers an event is said by batch_ranges alone, so that no event is written again when its batch is applied.
DROP INDEX events_pending;
ALTER TABLE events DROP COLUMN batch_number;
CREATE INDEX events_pending ON events (gateway, seq) WHERE code IS NULL AND kind <> 'job-opened';

-- What a job has spent was the sum of all its receipts, which grew with its age.
CREATE TABLE job_totals (
  job_id text COLLATE "C" PRIMARY KEY,
  settled_nano numeric NOT NULL
);
INSERT INTO job_totals SELECT job_id, sum(cost_nano) FROM receipts GROUP BY job_id;
DROP INDEX receipts_of_job;

-- Random hashes are compared byte by byte. Receipts are written and deleted together with their batch, by statements that
-- name it, so that a look at the batch for each of ten thousand receipts finds nothing.
ALTER TABLE receipts DROP CONSTRAINT receipts_batch_number_fkey;
ALTER TABLE receipts ALTER COLUMN receipt_id TYPE text COLLATE "C", ALTER COLUMN proof_hash TYPE text COLLATE "C";

-- Down Migration

ALTER TABLE receipts ALTER COLUMN receipt_id TYPE text COLLATE "default", ALTER COLUMN proof_hash TYPE text COLLATE "default";
ALTER TABLE receipts ADD CONSTRAINT receipts_batch_number_fkey FOREIGN KEY (batch_number) REFERENCES committed_batches;
CREATE INDEX receipts_of_job ON receipts (job_id);
DROP TABLE job_totals;

DROP INDEX events_pending;
ALTER TABLE events ADD COLUMN batch_number bigint;
UPDATE events e SET batch_number = r.batch_number FROM batch_ranges r
 WHERE r.gateway = e.gateway AND e.seq > r.from_seq AND e.seq <= r.to_seq;
CREATE INDEX events_pending ON events (recorded_at_ms)
  WHERE batch_number IS NULL AND code IS NULL AND kind <> 'job-opened';

ALTER TABLE events DROP CONSTRAINT events_usage_has_receipt;
ALTER TABLE events ADD COLUMN receipt json, ADD COLUMN receipt_signature text;
UPDATE events e SET receipt = t.text::json->'body'->'receipt', receipt_signature = t.text::json->'body'->>'receiptSignature'
  FROM event_texts t WHERE t.gateway = e.gateway AND t.seq = e.seq AND e.kind = 'usage';
ALTER TABLE events DROP COLUMN proof_hash, DROP COLUMN tariff_hash, DROP COLUMN provider_id, DROP COLUMN cost_nano,
  DROP COLUMN occurred_at_ms, DROP COLUMN countersigned, DROP COLUMN leaf;
ALTER TABLE events ADD CONSTRAINT events_usage_has_receipt CHECK (
  (kind = 'usage') = (receipt_id IS NOT NULL AND receipt IS NOT NULL AND receipt_signature IS NOT NULL));

UPDATE receipts r SET receipt = t.text::json->'body'->'receipt', receipt_signature = t.text::json->'body'->>'receiptSignature',
  seq = NULL FROM event_texts t WHERE t.gateway = r.gateway AND t.seq = r.seq;
ALTER TABLE receipts DROP CONSTRAINT receipts_have_text, DROP COLUMN seq, ALTER COLUMN receipt SET NOT NULL,
  ALTER COLUMN receipt_signature SET NOT NULL;
UPDATE event_texts SET text = (text::json->'body')::text;
ALTER TABLE event_texts ALTER COLUMN text TYPE json USING text::json;
ALTER TABLE event_texts RENAME COLUMN text TO body;
ALTER TABLE event_texts RENAME TO event_bodies;
