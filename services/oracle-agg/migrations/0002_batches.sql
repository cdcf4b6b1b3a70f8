-- Up Migration

CREATE TABLE chain_cursor (
  singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT chain_cursor_singleton CHECK (singleton),
  usage_receipts text NOT NULL,
  next_block bigint NOT NULL
);

CREATE TABLE locks (
  job_id text PRIMARY KEY,
  capability_hash text NOT NULL,
  block_number bigint NOT NULL
);

-- What the chain accepted, in order; applied once this replica has the batch's content.
CREATE TABLE committed_batches (
  batch_number bigint PRIMARY KEY,
  batch_hash text NOT NULL,
  header jsonb NOT NULL,
  transaction_hash text NOT NULL,
  block_number bigint NOT NULL,
  applied boolean NOT NULL DEFAULT false,
  sources jsonb,
  lines jsonb,
  signature text,
  partials jsonb NOT NULL DEFAULT '[]'
);

CREATE TABLE line_outcomes (
  batch_number bigint NOT NULL,
  job_id text NOT NULL,
  provider_id bigint NOT NULL,
  outcome numeric(78, 0) NOT NULL,
  PRIMARY KEY (batch_number, job_id, provider_id)
);

-- The one header this replica signed in a view. content is what a commitment applies: lines, receipts, refusals.
CREATE TABLE proposals (
  batch_number bigint NOT NULL,
  view bigint NOT NULL,
  batch_hash text NOT NULL,
  header jsonb NOT NULL,
  sources jsonb NOT NULL,
  content jsonb NOT NULL,
  partial_signature text NOT NULL,
  group_signature text,
  partials jsonb NOT NULL DEFAULT '[]',
  transaction_hash text,
  PRIMARY KEY (batch_number, view)
);

-- cost_nano holds a uint64, which bigint does not.
CREATE TABLE receipts (
  receipt_id text PRIMARY KEY,
  batch_number bigint NOT NULL REFERENCES committed_batches,
  leaf_index integer NOT NULL,
  gateway text NOT NULL,
  job_id text NOT NULL,
  proof_hash text NOT NULL CONSTRAINT receipts_one_per_proof UNIQUE,
  cost_nano numeric(20, 0) NOT NULL,
  receipt jsonb NOT NULL,
  receipt_signature text NOT NULL,
  CONSTRAINT receipts_one_per_leaf UNIQUE (batch_number, leaf_index)
);

CREATE INDEX receipts_of_job ON receipts (job_id);

-- What a gateway is still to be told about a committed batch.
CREATE TABLE deliveries (
  batch_number bigint NOT NULL REFERENCES committed_batches,
  gateway text NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at_ms bigint NOT NULL,
  delivered_at_ms bigint,
  last_error text,
  PRIMARY KEY (batch_number, gateway)
);

CREATE INDEX deliveries_due ON deliveries (next_attempt_at_ms) WHERE delivered_at_ms IS NULL;

-- Down Migration

DROP TABLE deliveries, receipts, proposals, line_outcomes, committed_batches, locks, chain_cursor;
