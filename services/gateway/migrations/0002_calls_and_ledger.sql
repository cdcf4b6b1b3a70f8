-- Up Migration

-- One row per admitted call. It has no foreign key to jobs: hold_calls alone inserts here, after it updated the job.
CREATE TABLE calls (
  call_id bytea PRIMARY KEY,
  -- Derived from what the caller signed: attempts of one call share it.
  receipt_id bytea NOT NULL,
  job_id bytea NOT NULL,
  state text NOT NULL,
  owner text NOT NULL,
  kind text NOT NULL,
  model text NOT NULL,
  provider_id bigint NOT NULL,
  tariff_hash bytea NOT NULL,
  hold_nano bigint NOT NULL,
  cost_nano bigint,
  metered_units jsonb,
  request_hash bytea NOT NULL,
  response_hash bytea,
  proof_hash bytea NOT NULL,
  proof text,
  usage_auth text,
  idempotency_key text,
  outcome text,
  receipt jsonb,
  receipt_signature text,
  batch_hash bytea,
  held_at_ms bigint NOT NULL,
  ended_at_ms bigint,
  CONSTRAINT calls_one_per_proof UNIQUE (receipt_id, proof_hash),
  CONSTRAINT calls_call_id_is_32_bytes CHECK (octet_length(call_id) = 32),
  CONSTRAINT calls_state_is_known CHECK (state IN ('held', 'delivered', 'captured', 'released')),
  CONSTRAINT calls_hold_is_not_negative CHECK (hold_nano >= 0),
  CONSTRAINT calls_end_has_a_time CHECK ((state IN ('held', 'delivered')) = (ended_at_ms IS NULL)),
  CONSTRAINT calls_cost_within_hold CHECK (cost_nano IS NULL OR cost_nano BETWEEN 0 AND hold_nano),
  CONSTRAINT calls_captured_has_receipt CHECK (
    (state = 'captured') = (receipt IS NOT NULL AND receipt_signature IS NOT NULL AND cost_nano IS NOT NULL)
  )
) WITH (fillfactor = 70);

-- Of the attempts of a call at most one runs or was charged; told by columns that change only when a call ends.
CREATE UNIQUE INDEX calls_one_per_receipt ON calls (receipt_id)
  WHERE ended_at_ms IS NULL OR cost_nano IS NOT NULL;
CREATE INDEX calls_by_job ON calls (job_id);
-- Not by state: an update of one call that asks for its state would be planned over all running ones.
CREATE INDEX calls_running ON calls (owner) WHERE ended_at_ms IS NULL;

-- The first call of a key; freed again when that call is released uncharged.
CREATE TABLE idempotency_keys (
  job_id bytea NOT NULL,
  idempotency_key text NOT NULL,
  call_id bytea NOT NULL,
  request_hash bytea NOT NULL,
  PRIMARY KEY (job_id, idempotency_key)
);

-- The answer a repeated key gets, kept for a day or so. A null body was larger than the cap and cannot be repeated.
CREATE TABLE answers (
  call_id bytea PRIMARY KEY,
  status smallint NOT NULL,
  headers jsonb NOT NULL,
  body bytea,
  stored_at_ms bigint NOT NULL
);

CREATE INDEX answers_by_age ON answers (stored_at_ms);

-- Double entry: every row takes from one account of the job and gives to another. Accounts: lock, available, held,
-- provider:<id>. Rows of one job form a hash chain whose head is in jobs.
CREATE TABLE ledger_entries (
  job_id bytea NOT NULL,
  entry_number bigint NOT NULL,
  call_id bytea,
  kind text NOT NULL,
  debit_account text NOT NULL,
  credit_account text NOT NULL,
  amount_nano bigint NOT NULL,
  recorded_at_ms bigint NOT NULL,
  previous_hash bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (job_id, entry_number),
  CONSTRAINT ledger_entries_kind_is_known CHECK (kind IN ('lock', 'hold', 'capture', 'release')),
  CONSTRAINT ledger_entries_amount_is_positive CHECK (amount_nano > 0),
  CONSTRAINT ledger_entries_two_accounts CHECK (debit_account <> credit_account)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_entries_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- SHA-256 over the previous hash and the entry's fields, each field ended by a line feed.
CREATE FUNCTION ledger_link(
  p_previous bytea, p_job_id bytea, p_number bigint, p_call_id bytea, p_kind text,
  p_debit text, p_credit text, p_amount_nano bigint, p_at_ms bigint
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT sha256(p_previous || convert_to(concat(
    encode(p_job_id, 'hex'), E'\n', p_number, E'\n', encode(p_call_id, 'hex'), E'\n', p_kind, E'\n',
    p_debit, E'\n', p_credit, E'\n', p_amount_nano, E'\n', p_at_ms, E'\n'), 'UTF8'))
$$;

-- Appends one entry to the job's chain; the caller holds the job's row.
CREATE FUNCTION ledger_append(
  p_job_id bytea, p_call_id bytea, p_kind text, p_debit text, p_credit text, p_amount_nano bigint, p_at_ms bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_number bigint;
  v_previous bytea;
  v_hash bytea;
BEGIN
  IF p_amount_nano = 0 THEN
    RETURN;
  END IF;
  SELECT ledger_count + 1, ledger_hash INTO STRICT v_number, v_previous FROM jobs WHERE job_id = p_job_id;
  v_hash := ledger_link(v_previous, p_job_id, v_number, p_call_id, p_kind, p_debit, p_credit, p_amount_nano, p_at_ms);
  INSERT INTO ledger_entries VALUES
    (p_job_id, v_number, p_call_id, p_kind, p_debit, p_credit, p_amount_nano, p_at_ms, v_previous, v_hash);
  UPDATE jobs SET ledger_count = v_number, ledger_hash = v_hash WHERE job_id = p_job_id;
END $$;

-- Down Migration

DROP FUNCTION ledger_append, ledger_link;
DROP TABLE ledger_entries, answers, idempotency_keys, calls;
DROP FUNCTION refuse_change;
