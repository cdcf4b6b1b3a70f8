-- Up Migration

-- Money of one job. Narrow and rewritten in place, because a hot job updates its row for every hold and capture.
CREATE TABLE jobs (
  job_id bytea PRIMARY KEY,
  tenant bytea NOT NULL,
  capability_hash bytea NOT NULL UNIQUE,
  status text NOT NULL DEFAULT 'open',
  valid_after_ms bigint NOT NULL,
  expires_at_ms bigint NOT NULL,
  revoked_at_ms bigint,
  closed_at_ms bigint,
  max_spend_nano bigint NOT NULL,
  held_nano bigint NOT NULL DEFAULT 0,
  spent_nano bigint NOT NULL DEFAULT 0,
  receipt_count bigint NOT NULL DEFAULT 0,
  ledger_count bigint NOT NULL DEFAULT 0,
  ledger_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  CONSTRAINT jobs_job_id_is_32_bytes CHECK (octet_length(job_id) = 32),
  CONSTRAINT jobs_tenant_is_20_bytes CHECK (octet_length(tenant) = 20),
  CONSTRAINT jobs_status_is_known CHECK (status IN ('open', 'closed', 'settled')),
  CONSTRAINT jobs_held_is_not_negative CHECK (held_nano >= 0),
  CONSTRAINT jobs_spent_is_not_negative CHECK (spent_nano >= 0),
  CONSTRAINT jobs_never_above_the_lock CHECK (spent_nano + held_nano <= max_spend_nano)
) WITH (fillfactor = 40);

CREATE INDEX jobs_by_tenant ON jobs (tenant);

-- What the tenant signed for a job; written once.
CREATE TABLE job_grants (
  job_id bytea PRIMARY KEY REFERENCES jobs,
  capability jsonb NOT NULL,
  capability_signature text NOT NULL,
  signed_quote jsonb NOT NULL,
  holder_jwk jsonb NOT NULL,
  lock_transaction_hash bytea NOT NULL,
  lock_block_number bigint NOT NULL,
  opened_at_ms bigint NOT NULL
);

-- Tariff documents by their canonical hash, each checked against the chain before it is stored.
CREATE TABLE tariffs (
  tariff_hash bytea PRIMARY KEY,
  provider_id bigint NOT NULL,
  tariff_version bigint NOT NULL,
  tariff jsonb NOT NULL,
  stored_at_ms bigint NOT NULL
);

-- A proof is used once, on whichever replica; kept until it could no longer pass its age check.
CREATE TABLE used_proofs (
  job_id bytea NOT NULL,
  jti_hash bytea NOT NULL,
  expires_at_ms bigint NOT NULL,
  CONSTRAINT used_proofs_once PRIMARY KEY (job_id, jti_hash)
);

CREATE INDEX used_proofs_by_expiry ON used_proofs (expires_at_ms);

-- How far each reader of chain events has come.
CREATE TABLE chain_cursors (
  cursor_name text PRIMARY KEY,
  block_number bigint NOT NULL
);

-- Running replicas; a call whose owner let its lease lapse may be recovered by any other replica.
CREATE TABLE replicas (
  incarnation text PRIMARY KEY,
  replica_id text NOT NULL,
  lease_until_ms bigint NOT NULL
);

-- Down Migration

DROP TABLE replicas, chain_cursors, used_proofs, tariffs, job_grants, jobs;
