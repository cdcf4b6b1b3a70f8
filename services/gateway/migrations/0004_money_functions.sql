-- Up Migration

-- The fields of a call that its hold brings along; the rest of the row comes with time.
CREATE TYPE wanted_hold AS (
  call_id bytea, owner text, kind text, model text, provider_id bigint, tariff_hash bytea, hold_nano bigint,
  floor_nano bigint, request_hash bytea, proof_hash bytea, proof text, usage_auth text, idempotency_key text,
  jti_hash bytea, proof_expires_at_ms bigint
);

-- Admits calls of one job, in the order given. Per call: the proof is spent, the idempotency key claimed, and the
-- hold taken by one conditional update, or nothing but the proof changes and the outcome says why. The hold is
-- hold_nano, or what is left of the job when that is less but still covers floor_nano.
-- The job's row is locked first, so two batches of a job can never wait for each other's keys.
CREATE FUNCTION hold_calls(p_job_id bytea, p_now_ms bigint, p_wanted json)
RETURNS TABLE (out_call_id bytea, out_outcome text, out_hold_nano bigint) LANGUAGE plpgsql AS $$
DECLARE
  w wanted_hold;
  j jobs;
  v_hold_nano bigint;
BEGIN
  PERFORM 1 FROM jobs WHERE job_id = p_job_id FOR NO KEY UPDATE;
  FOR w IN SELECT * FROM json_populate_recordset(NULL::wanted_hold, p_wanted) LOOP
    out_call_id := w.call_id;
    out_hold_nano := 0;

    -- Null when an earlier attempt of the same request has spent the proof already.
    IF w.jti_hash IS NOT NULL THEN
      INSERT INTO used_proofs VALUES (p_job_id, w.jti_hash, w.proof_expires_at_ms) ON CONFLICT DO NOTHING;
      IF NOT FOUND THEN
        out_outcome := 'proof_replayed';
        RETURN NEXT;
        CONTINUE;
      END IF;
    END IF;

    IF w.idempotency_key IS NOT NULL THEN
      INSERT INTO idempotency_keys VALUES (p_job_id, w.idempotency_key, w.call_id, w.request_hash)
      ON CONFLICT DO NOTHING;
      IF NOT FOUND THEN
        out_outcome := 'duplicate';
        RETURN NEXT;
        CONTINUE;
      END IF;
    END IF;

    SELECT greatest(w.floor_nano, least(w.hold_nano, max_spend_nano - spent_nano - held_nano))
      INTO v_hold_nano FROM jobs WHERE job_id = p_job_id;
    UPDATE jobs
       SET held_nano = held_nano + v_hold_nano
     WHERE job_id = p_job_id AND status = 'open' AND revoked_at_ms IS NULL
       AND valid_after_ms <= p_now_ms AND p_now_ms < expires_at_ms
       AND spent_nano + held_nano + v_hold_nano <= max_spend_nano;
    IF NOT FOUND THEN
      DELETE FROM idempotency_keys
       WHERE job_id = p_job_id AND idempotency_key = w.idempotency_key AND call_id = w.call_id;
      SELECT * INTO j FROM jobs WHERE job_id = p_job_id;
      out_outcome := CASE
        WHEN j.job_id IS NULL THEN 'unknown_job'
        WHEN j.revoked_at_ms IS NOT NULL THEN 'capability_revoked'
        WHEN j.status <> 'open' THEN 'job_closed'
        WHEN p_now_ms >= j.expires_at_ms THEN 'capability_expired'
        WHEN p_now_ms < j.valid_after_ms THEN 'capability_not_yet_valid'
        ELSE 'credit_exhausted' END;
      RETURN NEXT;
      CONTINUE;
    END IF;

    INSERT INTO calls (call_id, job_id, state, owner, kind, model, provider_id, tariff_hash, hold_nano,
                       request_hash, proof_hash, proof, usage_auth, idempotency_key, held_at_ms)
    VALUES (w.call_id, p_job_id, 'held', w.owner, w.kind, w.model, w.provider_id, w.tariff_hash, v_hold_nano,
            w.request_hash, w.proof_hash, w.proof, w.usage_auth, w.idempotency_key, p_now_ms);
    PERFORM ledger_append(p_job_id, w.call_id, 'hold', 'available', 'held', v_hold_nano, p_now_ms);
    out_outcome := 'held';
    out_hold_nano := v_hold_nano;
    RETURN NEXT;
  END LOOP;
END $$;

CREATE TYPE wanted_capture AS (
  call_id bytea, cost_nano bigint, metered_units jsonb, response_hash bytea, outcome text,
  receipt jsonb, receipt_signature text,
  answer_status smallint, answer_headers jsonb, answer_body bytea
);

-- Charges calls, releases the rest of their holds, stores receipts, answers and feed events: all or nothing.
-- False when another writer moved the feed's head first. A call that is no longer open raises TAC01 with its id,
-- so that the caller can try the others again. Rows of jobs are taken in id order.
CREATE FUNCTION capture_calls(
  p_gateway bytea, p_expected_seq bigint, p_now_ms bigint, p_events jsonb, p_hashes bytea[], p_wanted json
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  w wanted_capture;
  c calls;
BEGIN
  IF NOT feed_append(p_gateway, p_expected_seq, p_now_ms, p_events, p_hashes) THEN
    RETURN false;
  END IF;
  PERFORM 1 FROM jobs
   WHERE job_id IN (SELECT k.job_id FROM calls k
                     WHERE k.call_id IN (SELECT r.call_id FROM json_populate_recordset(NULL::wanted_capture, p_wanted) r))
   ORDER BY job_id FOR NO KEY UPDATE;
  FOR w IN SELECT * FROM json_populate_recordset(NULL::wanted_capture, p_wanted) LOOP
    UPDATE calls
       SET state = 'captured', cost_nano = w.cost_nano, metered_units = w.metered_units,
           response_hash = w.response_hash, outcome = w.outcome, receipt = w.receipt,
           receipt_signature = w.receipt_signature, ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL
     WHERE call_id = w.call_id AND state IN ('held', 'delivered')
     RETURNING * INTO c;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'call is not open' USING ERRCODE = 'TAC01', DETAIL = encode(w.call_id, 'hex');
    END IF;
    UPDATE jobs
       SET held_nano = held_nano - c.hold_nano, spent_nano = spent_nano + w.cost_nano
     WHERE job_id = c.job_id;
    PERFORM ledger_append(
      c.job_id, c.call_id, 'capture', 'held', 'provider:' || c.provider_id, w.cost_nano, p_now_ms);
    PERFORM ledger_append(
      c.job_id, c.call_id, 'release', 'held', 'available', c.hold_nano - w.cost_nano, p_now_ms);
    IF c.idempotency_key IS NOT NULL THEN
      INSERT INTO answers VALUES (c.call_id, w.answer_status, w.answer_headers, w.answer_body);
    END IF;
  END LOOP;
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

DROP FUNCTION release_call, capture_calls, hold_calls;
DROP TYPE wanted_capture, wanted_hold;
