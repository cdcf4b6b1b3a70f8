CREATE TABLE tasks (
  task_id text NOT NULL,
  tenant text NOT NULL,
  status text NOT NULL,
  -- The request itself is never stored, only its hash.
  request_hash text NOT NULL,
  idempotency_key text,
  max_spend_nano bigint NOT NULL,
  budget_day date NOT NULL,
  -- What the task still holds of its day's budget; becomes what it spent when it ends.
  reserved_nano bigint NOT NULL DEFAULT 0,
  spent_nano bigint NOT NULL DEFAULT 0,
  plan_hash text,
  -- An exported job without its private key.
  job json,
  is_job_closed boolean NOT NULL DEFAULT false,
  steps json NOT NULL DEFAULT '[]',
  settlements json NOT NULL DEFAULT '[]',
  error_code text,
  created_at_ms bigint NOT NULL,
  updated_at_ms bigint NOT NULL,
  CONSTRAINT tasks_pkey PRIMARY KEY (task_id),
  CONSTRAINT tasks_idempotency_once UNIQUE (tenant, idempotency_key),
  CONSTRAINT tasks_status_known CHECK (
    status IN ('accepted', 'running', 'completed', 'settled', 'failed', 'failed_resumable')
  ),
  CONSTRAINT tasks_amounts_positive CHECK (max_spend_nano >= 0 AND reserved_nano >= 0 AND spent_nano >= 0)
);

CREATE INDEX tasks_unfinished ON tasks (status) WHERE status IN ('accepted', 'running', 'failed_resumable');

-- Reserved by running tasks plus spent by ended ones; one row is the only place the day's cap is checked.
CREATE TABLE day_budgets (
  tenant text NOT NULL,
  budget_day date NOT NULL,
  committed_nano bigint NOT NULL,
  CONSTRAINT day_budgets_pkey PRIMARY KEY (tenant, budget_day),
  CONSTRAINT day_budgets_positive CHECK (committed_nano >= 0)
);

CREATE TABLE audit_records (
  task_id text NOT NULL,
  seq bigint NOT NULL,
  kind text NOT NULL,
  -- json, not jsonb: a reader gets the very text that was hashed.
  body json NOT NULL,
  recorded_at_ms bigint NOT NULL,
  previous_hash text NOT NULL,
  hash text NOT NULL,
  CONSTRAINT audit_records_pkey PRIMARY KEY (task_id, seq),
  CONSTRAINT audit_records_task FOREIGN KEY (task_id) REFERENCES tasks (task_id),
  CONSTRAINT audit_records_seq CHECK (seq >= 1)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit records are append-only';
END;
$$;

CREATE TRIGGER audit_records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
