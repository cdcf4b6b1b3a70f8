-- Up Migration

-- The last block whose logs are stored; moved in the transaction that stores them.
CREATE TABLE cursors (
  name text NOT NULL,
  block bigint NOT NULL,
  CONSTRAINT cursors_pk PRIMARY KEY (name)
);

-- Logs as the chain gave them. `lane_id` and `batch_number` of a LineSettled are those of the BatchCommitted before it.
CREATE TABLE chain_events (
  transaction_hash text NOT NULL,
  log_index integer NOT NULL,
  block_number bigint NOT NULL,
  name text NOT NULL,
  job_id text,
  lane_id bigint,
  batch_number bigint,
  key_epoch bigint,
  log jsonb NOT NULL,
  CONSTRAINT chain_events_pk PRIMARY KEY (transaction_hash, log_index)
);
CREATE INDEX chain_events_of_job ON chain_events (job_id, block_number, log_index) WHERE job_id IS NOT NULL;
CREATE INDEX chain_events_of_key ON chain_events (lane_id, key_epoch) WHERE name = 'AggregatorKeySet';

-- One row per batch the chain committed; the rest is filled once an aggregator has given its content.
CREATE TABLE batches (
  lane_id bigint NOT NULL,
  batch_number bigint NOT NULL,
  transaction_hash text NOT NULL,
  log_index integer NOT NULL,
  signature text,
  signers jsonb,
  collected_at timestamptz,
  CONSTRAINT batches_pk PRIMARY KEY (lane_id, batch_number),
  CONSTRAINT batches_event_fk FOREIGN KEY (transaction_hash, log_index) REFERENCES chain_events,
  CONSTRAINT batches_collected CHECK ((collected_at IS NULL) = (signature IS NULL AND signers IS NULL))
);
CREATE INDEX batches_to_collect ON batches (lane_id, batch_number) WHERE collected_at IS NULL;

CREATE TABLE receipts (
  lane_id bigint NOT NULL,
  batch_number bigint NOT NULL,
  receipt_id text NOT NULL,
  job_id text NOT NULL,
  receipt jsonb NOT NULL,
  receipt_signature text NOT NULL,
  proof jsonb NOT NULL,
  CONSTRAINT receipts_pk PRIMARY KEY (lane_id, batch_number, receipt_id),
  CONSTRAINT receipts_batch_fk FOREIGN KEY (lane_id, batch_number) REFERENCES batches
);
CREATE INDEX receipts_of_job ON receipts (job_id);

CREATE TABLE tariffs (
  tariff_hash text NOT NULL,
  tariff jsonb NOT NULL,
  CONSTRAINT tariffs_pk PRIMARY KEY (tariff_hash)
);

-- Jobs whose lock is closed, with the place in the chain of the event that closed it.
CREATE TABLE final_jobs (
  job_id text NOT NULL,
  block_number bigint NOT NULL,
  log_index integer NOT NULL,
  invoiced_at timestamptz,
  CONSTRAINT final_jobs_pk PRIMARY KEY (job_id)
);
CREATE INDEX final_jobs_to_invoice ON final_jobs (block_number, log_index) WHERE invoiced_at IS NULL;

CREATE TABLE invoices (
  sequence bigint GENERATED ALWAYS AS IDENTITY,
  invoice_id text NOT NULL,
  job_id text NOT NULL,
  tenant text NOT NULL,
  total_nano numeric(20) NOT NULL,
  paid_nano numeric(20) NOT NULL,
  line_count integer NOT NULL,
  issued_at_ms bigint NOT NULL,
  -- The JSON text that was signed over, not jsonb, so that what is served is what was issued.
  body text NOT NULL,
  CONSTRAINT invoices_pk PRIMARY KEY (invoice_id),
  CONSTRAINT invoices_one_per_job UNIQUE (job_id),
  CONSTRAINT invoices_sequence UNIQUE (sequence)
);
CREATE INDEX invoices_of_tenant ON invoices (tenant, sequence);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an invoice is immutable once issued' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER invoices_immutable BEFORE UPDATE OR DELETE ON invoices
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER invoices_not_truncated BEFORE TRUNCATE ON invoices
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
