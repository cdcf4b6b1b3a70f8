-- Up Migration

-- One row per gateway: how far its feed was pulled, how far committed batches cover it, and whether it was stopped.
CREATE TABLE feeds (
  gateway text PRIMARY KEY,
  pulled_seq bigint NOT NULL DEFAULT 0,
  pulled_hash text NOT NULL,
  committed_seq bigint NOT NULL DEFAULT 0,
  committed_hash text NOT NULL,
  head_seq bigint NOT NULL DEFAULT 0,
  stopped_reason text
);

CREATE TABLE jobs (
  gateway text NOT NULL,
  job_id text NOT NULL,
  opened_seq bigint NOT NULL,
  capability_hash text NOT NULL,
  is_eoa_signed boolean NOT NULL,
  opening jsonb NOT NULL,
  PRIMARY KEY (gateway, job_id)
);

-- code and reason: first what the event's own content was refused for, later also what a batch left it out for.
-- batch_number is null until a committed batch covers the event.
CREATE TABLE events (
  gateway text NOT NULL,
  seq bigint NOT NULL,
  hash text NOT NULL,
  recorded_at_ms bigint NOT NULL,
  kind text NOT NULL CONSTRAINT events_kind CHECK (kind IN ('job-opened', 'usage', 'job-closed')),
  job_id text NOT NULL,
  body jsonb NOT NULL,
  report_signer text,
  code text,
  reason text,
  batch_number bigint,
  PRIMARY KEY (gateway, seq)
);

CREATE INDEX events_refused ON events (gateway, seq) WHERE code IS NOT NULL;
CREATE INDEX events_pending ON events (recorded_at_ms)
  WHERE batch_number IS NULL AND code IS NULL AND kind <> 'job-opened';

CREATE TABLE tariffs (
  tariff_hash text PRIMARY KEY,
  document jsonb NOT NULL
);

-- Down Migration

DROP TABLE tariffs, events, jobs, feeds;
