-- Up Migration

-- Revoked jobs of this gateway, whoever revoked them. Numbered in commit order, so that whoever has read up to a number
-- has missed nothing before it. An entry is never taken back; readers forget it when its capability has expired.
CREATE TABLE revocations (
  seq bigint PRIMARY KEY,
  job_id bytea NOT NULL,
  origin text NOT NULL,
  revoked_at_ms bigint NOT NULL,
  expires_at_ms bigint NOT NULL,
  recorded_at_ms bigint NOT NULL,
  CONSTRAINT revocations_one_per_job UNIQUE (job_id),
  CONSTRAINT revocations_origin_is_known CHECK (origin IN ('chain', 'tenant', 'holder'))
);

CREATE INDEX revocations_by_expiry ON revocations (expires_at_ms);

-- A tenant's word on every capability valid by then; also for jobs that are locked afterwards.
CREATE TABLE tenant_revocations (
  tenant bytea NOT NULL,
  revoked_at_ms bigint NOT NULL,
  origin text NOT NULL,
  signature text,
  deadline bigint,
  recorded_at_ms bigint NOT NULL,
  PRIMARY KEY (tenant, revoked_at_ms),
  CONSTRAINT tenant_revocations_origin_is_known CHECK (origin IN ('chain', 'tenant')),
  CONSTRAINT tenant_revocations_signed CHECK ((origin = 'tenant') = (signature IS NOT NULL AND deadline IS NOT NULL))
);

CREATE TRIGGER revocations_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON revocations
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER tenant_revocations_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON tenant_revocations
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is still to be done about a revoked job besides refusing its calls: hand the tenant's signed revocation to the
-- chain, write a revocation of all into the job's lock, or end the job in the feed on its holder's word.
CREATE TABLE revocation_tasks (
  job_id bytea NOT NULL,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  due_at_ms bigint NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  done_at_ms bigint,
  outcome text,
  PRIMARY KEY (job_id, kind),
  CONSTRAINT revocation_tasks_kind_is_known CHECK (kind IN ('submit', 'apply', 'close')),
  CONSTRAINT revocation_tasks_end_has_an_outcome CHECK ((done_at_ms IS NULL) = (outcome IS NULL))
);

CREATE INDEX revocation_tasks_due ON revocation_tasks (due_at_ms) WHERE done_at_ms IS NULL;

-- Revokes a job, or for a null job every job of the tenant whose capability was valid by then, and gives the jobs it
-- found unrevoked. One revocation at a time, or a reader could see a number before a lower one is committed.
CREATE FUNCTION revoke_jobs(
  p_tenant bytea, p_job_id bytea, p_revoked_at_ms bigint, p_origin text, p_now_ms bigint
) RETURNS SETOF bytea LANGUAGE plpgsql AS $$
DECLARE
  v_seq bigint;
  v_jobs bytea[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('revocations'));
  -- In id order, as every statement that takes several jobs does.
  SELECT array_agg(f.job_id) INTO v_jobs FROM (
    SELECT job_id FROM jobs
     WHERE tenant = p_tenant AND revoked_at_ms IS NULL
       AND (job_id = p_job_id OR (p_job_id IS NULL AND valid_after_ms <= p_revoked_at_ms))
     ORDER BY job_id FOR NO KEY UPDATE) f;
  IF v_jobs IS NULL THEN
    RETURN;
  END IF;
  UPDATE jobs SET revoked_at_ms = p_revoked_at_ms WHERE job_id = ANY(v_jobs);
  SELECT coalesce(max(seq), 0) INTO v_seq FROM revocations;
  INSERT INTO revocations (seq, job_id, origin, revoked_at_ms, expires_at_ms, recorded_at_ms)
  SELECT v_seq + row_number() OVER (ORDER BY j.job_id), j.job_id, p_origin, p_revoked_at_ms, j.expires_at_ms, p_now_ms
    FROM jobs j WHERE j.job_id = ANY(v_jobs);
  RETURN QUERY SELECT unnest(v_jobs);
END $$;

-- Revokes a job that was stored after its tenant had revoked all; gives what it found unrevoked.
CREATE FUNCTION revoke_late_job(p_job_id bytea, p_now_ms bigint) RETURNS SETOF bytea LANGUAGE plpgsql AS $$
DECLARE
  v_tenant bytea;
  v_revoked_at_ms bigint;
  v_origin text;
BEGIN
  -- A revocation of all that did not see the job is waited for here, and one that comes later sees it.
  PERFORM pg_advisory_xact_lock(hashtext('revocations'));
  SELECT t.tenant, t.revoked_at_ms, t.origin INTO v_tenant, v_revoked_at_ms, v_origin
    FROM jobs j JOIN tenant_revocations t ON t.tenant = j.tenant AND t.revoked_at_ms >= j.valid_after_ms
   WHERE j.job_id = p_job_id ORDER BY t.revoked_at_ms LIMIT 1;
  IF FOUND THEN
    RETURN QUERY SELECT * FROM revoke_jobs(v_tenant, p_job_id, v_revoked_at_ms, v_origin, p_now_ms);
  END IF;
END $$;

INSERT INTO revocations (seq, job_id, origin, revoked_at_ms, expires_at_ms, recorded_at_ms)
SELECT row_number() OVER (ORDER BY job_id), job_id, 'chain', revoked_at_ms, expires_at_ms, revoked_at_ms
  FROM jobs WHERE revoked_at_ms IS NOT NULL;

-- Down Migration

DROP FUNCTION revoke_late_job, revoke_jobs;
DROP TABLE revocation_tasks, tenant_revocations, revocations;
