-- Up Migration

-- The fields of a call that its hold brings along; the rest of the row comes with time.
CREATE TYPE wanted_hold AS (
  call_id bytea, receipt_id bytea, owner text, kind text, model text, provider_id bigint, tariff_hash bytea, hold_nano bigint,
  floor_nano bigint, request_hash bytea, proof_hash bytea, proof text, usage_auth text, idempotency_key text,
  jti_hash bytea, proof_expires_at_ms bigint
);

-- Admits calls of one job, in the order given. Per call: the proof is spent, the idempotency key claimed, and the
-- hold taken, or nothing but the proof changes and the outcome says why. The hold is hold_nano, or what is left of
-- the job when that is less but still covers floor_nano.
-- The job's row is locked first: batches of a job run one after the other, so none waits for another's keys, and
-- what is decided here still holds in the one conditional update that takes all holds of the batch together.
CREATE FUNCTION hold_calls(p_job_id bytea, p_now_ms bigint, p_wanted json)
RETURNS TABLE (out_call_id bytea, out_outcome text, out_hold_nano bigint) LANGUAGE plpgsql AS $$
DECLARE
  v_wanted wanted_hold[];
  w wanted_hold;
  j jobs;
  v_refusal text;
  v_room_nano bigint;
  v_total_nano bigint := 0;
  v_fresh_proofs bytea[];
  v_claimed_ids bytea[];
  v_dropped_keys text[] := '{}';
  v_held_ids bytea[] := '{}';
  v_held_nano bigint[] := '{}';
  v_entries ledger_entries[] := '{}';
  v_previous bytea;
BEGIN
  SELECT array_agg(r) INTO v_wanted FROM json_populate_recordset(NULL::wanted_hold, p_wanted) r;
  SELECT * INTO j FROM jobs WHERE job_id = p_job_id FOR NO KEY UPDATE;
  v_refusal := CASE
    WHEN j.job_id IS NULL THEN 'unknown_job'
    WHEN j.revoked_at_ms IS NOT NULL THEN 'capability_revoked'
    WHEN j.status <> 'open' THEN 'job_closed'
    WHEN p_now_ms >= j.expires_at_ms THEN 'capability_expired'
    WHEN p_now_ms < j.valid_after_ms THEN 'capability_not_yet_valid' END;
  v_room_nano := j.max_spend_nano - j.spent_nano - j.held_nano;

  -- A null jti: an earlier attempt of the same request has spent the proof already.
  WITH spent AS (
    INSERT INTO used_proofs
    SELECT p_job_id, r.jti_hash, r.proof_expires_at_ms FROM unnest(v_wanted) r WHERE r.jti_hash IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING jti_hash)
  SELECT array_agg(jti_hash) INTO v_fresh_proofs FROM spent;
  WITH claimed AS (
    INSERT INTO idempotency_keys
    SELECT p_job_id, r.idempotency_key, r.call_id, r.request_hash FROM unnest(v_wanted) r
     WHERE r.idempotency_key IS NOT NULL AND (r.jti_hash IS NULL OR r.jti_hash = ANY(v_fresh_proofs))
    ON CONFLICT DO NOTHING RETURNING call_id)
  SELECT array_agg(call_id) INTO v_claimed_ids FROM claimed;

  FOREACH w IN ARRAY v_wanted LOOP
    out_call_id := w.call_id;
    out_hold_nano := 0;
    -- Without a key the jti alone names the call, longer than it is remembered as spent.
    IF (w.jti_hash IS NOT NULL AND (w.jti_hash = ANY(v_fresh_proofs)) IS NOT TRUE)
       OR (w.idempotency_key IS NULL AND EXISTS (SELECT FROM calls k WHERE k.receipt_id = w.receipt_id)) THEN
      out_outcome := 'proof_replayed';
    ELSIF w.idempotency_key IS NOT NULL AND (w.call_id = ANY(v_claimed_ids)) IS NOT TRUE THEN
      out_outcome := 'duplicate';
    ELSE
      out_hold_nano := greatest(w.floor_nano, least(w.hold_nano, v_room_nano));
      out_outcome := coalesce(v_refusal, CASE WHEN out_hold_nano > v_room_nano THEN 'credit_exhausted' ELSE 'held' END);
    END IF;
    -- The same proof twice in one batch is fresh for the first alone.
    v_fresh_proofs := array_remove(v_fresh_proofs, w.jti_hash);
    IF out_outcome = 'held' THEN
      v_room_nano := v_room_nano - out_hold_nano;
      v_total_nano := v_total_nano + out_hold_nano;
      v_held_ids := array_append(v_held_ids, w.call_id);
      v_held_nano := array_append(v_held_nano, out_hold_nano);
      IF out_hold_nano > 0 THEN
        v_previous := j.ledger_hash;
        j.ledger_count := j.ledger_count + 1;
        j.ledger_hash := ledger_link(
          v_previous, p_job_id, j.ledger_count, w.call_id, 'hold', 'available', 'held', out_hold_nano, p_now_ms);
        v_entries := array_append(v_entries, ROW(
          p_job_id, j.ledger_count, w.call_id, 'hold', 'available', 'held', out_hold_nano, p_now_ms,
          v_previous, j.ledger_hash)::ledger_entries);
      END IF;
    ELSE
      out_hold_nano := 0;
      IF w.idempotency_key IS NOT NULL AND w.call_id = ANY(v_claimed_ids) THEN
        v_dropped_keys := array_append(v_dropped_keys, w.idempotency_key);
      END IF;
    END IF;
    RETURN NEXT;
  END LOOP;

  IF v_dropped_keys <> '{}' THEN
    DELETE FROM idempotency_keys WHERE job_id = p_job_id AND idempotency_key = ANY(v_dropped_keys);
  END IF;
  IF v_held_ids = '{}' THEN
    RETURN;
  END IF;
  UPDATE jobs
     SET held_nano = held_nano + v_total_nano, ledger_count = j.ledger_count, ledger_hash = j.ledger_hash
   WHERE job_id = p_job_id AND status = 'open' AND revoked_at_ms IS NULL
     AND valid_after_ms <= p_now_ms AND p_now_ms < expires_at_ms
     AND spent_nano + held_nano + v_total_nano <= max_spend_nano;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a locked job changed under its holds' USING ERRCODE = 'serialization_failure';
  END IF;
  INSERT INTO calls (call_id, receipt_id, job_id, state, owner, kind, model, provider_id, tariff_hash, hold_nano,
                     request_hash, proof_hash, proof, usage_auth, idempotency_key, held_at_ms)
  SELECT r.call_id, r.receipt_id, p_job_id, 'held', r.owner, r.kind, r.model, r.provider_id, r.tariff_hash, h.hold_nano,
         r.request_hash, r.proof_hash, r.proof, r.usage_auth, r.idempotency_key, p_now_ms
    FROM unnest(v_wanted) r JOIN unnest(v_held_ids, v_held_nano) AS h(call_id, hold_nano) USING (call_id);
  INSERT INTO ledger_entries SELECT * FROM unnest(v_entries);
END $$;

CREATE TYPE wanted_capture AS (
  call_id bytea, cost_nano bigint, metered_units jsonb, response_hash bytea, outcome text,
  receipt jsonb, receipt_signature text,
  answer_status smallint, answer_headers jsonb, answer_body bytea
);

-- A call as its charge leaves it.
CREATE TYPE captured_call AS (
  call_id bytea, job_id bytea, provider_id bigint, hold_nano bigint, cost_nano bigint, idempotency_key text
);

-- Writes a job's balances and chain head as capture_calls computed them, the row being locked; nothing for null.
CREATE FUNCTION capture_job(j jobs) RETURNS void LANGUAGE sql AS $$
  UPDATE jobs
     SET held_nano = j.held_nano, spent_nano = j.spent_nano, receipt_count = j.receipt_count,
         ledger_count = j.ledger_count, ledger_hash = j.ledger_hash
   WHERE job_id = j.job_id
$$;

-- Charges calls, releases the rest of their holds, stores receipts, answers and feed events: all or nothing.
-- False when another writer moved the feed's head first. A call that is no longer open raises TAC01 with its id,
-- so that the caller can try the others again. Rows of jobs are taken in id order, each updated once.
CREATE FUNCTION capture_calls(
  p_gateway bytea, p_expected_seq bigint, p_now_ms bigint, p_events jsonb, p_hashes bytea[], p_wanted json
) RETURNS boolean LANGUAGE plpgsql
-- Plans are made while the tables are small and kept for the life of a connection: without this, each batch would
-- read all calls there ever were.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_wanted wanted_capture[];
  v_captured captured_call[];
  v_missing bytea;
  j jobs;
  c captured_call;
  v_entries ledger_entries[] := '{}';
  v_entry ledger_entries;
BEGIN
  IF NOT feed_append(p_gateway, p_expected_seq, p_now_ms, p_events, p_hashes) THEN
    RETURN false;
  END IF;
  SELECT array_agg(r) INTO v_wanted FROM json_populate_recordset(NULL::wanted_capture, p_wanted) r;
  PERFORM 1 FROM jobs
   WHERE job_id IN (SELECT k.job_id FROM calls k JOIN unnest(v_wanted) r USING (call_id))
   ORDER BY job_id FOR NO KEY UPDATE;

  WITH captured AS (
    UPDATE calls k
       SET state = 'captured', cost_nano = r.cost_nano, metered_units = r.metered_units,
           response_hash = r.response_hash, outcome = r.outcome, receipt = r.receipt,
           receipt_signature = r.receipt_signature, ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL
      FROM unnest(v_wanted) r
     WHERE k.call_id = r.call_id AND k.state IN ('held', 'delivered')
    RETURNING k.call_id, k.job_id, k.provider_id, k.hold_nano, k.cost_nano, k.idempotency_key)
  SELECT array_agg(ROW(captured.*)::captured_call ORDER BY job_id, call_id) INTO v_captured FROM captured;
  SELECT r.call_id INTO v_missing
    FROM unnest(v_wanted) r LEFT JOIN unnest(v_captured) k USING (call_id) WHERE k.job_id IS NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'call is not open' USING ERRCODE = 'TAC01', DETAIL = encode(v_missing, 'hex');
  END IF;

  FOREACH c IN ARRAY v_captured LOOP
    IF j.job_id IS DISTINCT FROM c.job_id THEN
      PERFORM capture_job(j);
      SELECT * INTO j FROM jobs WHERE job_id = c.job_id;
    END IF;
    j.held_nano := j.held_nano - c.hold_nano;
    j.spent_nano := j.spent_nano + c.cost_nano;
    j.receipt_count := j.receipt_count + 1;
    FOR v_releases IN 0..1 LOOP
      v_entry := ROW(
        c.job_id, j.ledger_count + 1, c.call_id, 'capture', 'held', 'provider:' || c.provider_id, c.cost_nano,
        p_now_ms, j.ledger_hash, NULL)::ledger_entries;
      IF v_releases = 1 THEN
        v_entry.kind := 'release';
        v_entry.credit_account := 'available';
        v_entry.amount_nano := c.hold_nano - c.cost_nano;
      END IF;
      CONTINUE WHEN v_entry.amount_nano = 0;
      v_entry.hash := ledger_link(
        v_entry.previous_hash, c.job_id, v_entry.entry_number, c.call_id, v_entry.kind,
        v_entry.debit_account, v_entry.credit_account, v_entry.amount_nano, p_now_ms);
      j.ledger_count := v_entry.entry_number;
      j.ledger_hash := v_entry.hash;
      v_entries := array_append(v_entries, v_entry);
    END LOOP;
  END LOOP;
  PERFORM capture_job(j);
  INSERT INTO ledger_entries SELECT * FROM unnest(v_entries);
  INSERT INTO answers
  SELECT r.call_id, r.answer_status, r.answer_headers, r.answer_body, p_now_ms
    FROM unnest(v_wanted) r JOIN unnest(v_captured) k USING (call_id) WHERE k.idempotency_key IS NOT NULL;
  RETURN true;
END $$;

-- Gives a whole hold back, uncharged, and frees the idempotency key; false when the call was no longer open.
CREATE FUNCTION release_call(p_call_id bytea, p_outcome text, p_now_ms bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  c calls;
BEGIN
  SELECT * INTO c FROM calls WHERE call_id = p_call_id;
  PERFORM 1 FROM jobs WHERE job_id = c.job_id FOR NO KEY UPDATE;
  UPDATE calls
     SET state = 'released', outcome = p_outcome, ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL
   WHERE call_id = p_call_id AND state IN ('held', 'delivered');
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE jobs SET held_nano = held_nano - c.hold_nano WHERE job_id = c.job_id;
  PERFORM ledger_append(c.job_id, c.call_id, 'release', 'held', 'available', c.hold_nano, p_now_ms);
  DELETE FROM idempotency_keys
   WHERE job_id = c.job_id AND idempotency_key = c.idempotency_key AND call_id = c.call_id;
  RETURN true;
END $$;

-- Down Migration

DROP FUNCTION release_call, capture_calls, capture_job, hold_calls;
DROP TYPE captured_call, wanted_capture, wanted_hold;
