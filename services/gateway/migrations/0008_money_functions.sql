-- Up Migration

DROP FUNCTION hold_calls, capture_calls, capture_job, release_call, ledger_append, ledger_link, feed_append;
DROP TYPE wanted_hold, wanted_capture, captured_call;

-- Locks are always taken in this order: feed head, rows of calls, rows of jobs by id, budget windows by id.

CREATE TYPE ledger_posting AS (
  job_id bytea, call_id bytea, kind text, debit_account text, credit_account text, amount_nano bigint
);

-- Appends entries to the chains of their jobs and moves the jobs' balances by them: a balance is never written but
-- by the entries that make it up. The caller has locked the jobs. A link is the SHA-256 of the link before and of
-- the fields of all its entries, each ended by a line feed.
CREATE FUNCTION ledger_post(p_postings ledger_posting[], p_at_ms bigint) RETURNS void LANGUAGE sql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
  WITH entries AS (
    SELECT p.*, j.ledger_count + row_number() OVER linked AS entry_number,
           row_number() OVER linked = count(*) OVER linked AS is_last,
           CASE WHEN row_number() OVER linked = count(*) OVER linked THEN
             sha256(j.ledger_hash || convert_to(string_agg(concat(
               encode(p.job_id, 'hex'), E'\n', j.ledger_count + p.position, E'\n', encode(p.call_id, 'hex'), E'\n',
               p.kind, E'\n', p.debit_account, E'\n', p.credit_account, E'\n', p.amount_nano, E'\n', p_at_ms, E'\n'),
               '') OVER linked, 'UTF8')) END AS hash,
           sum(CASE WHEN p.credit_account = 'held' THEN p.amount_nano
                    WHEN p.debit_account = 'held' THEN -p.amount_nano ELSE 0 END) OVER linked AS held_change,
           sum(CASE WHEN p.kind = 'capture' THEN p.amount_nano ELSE 0 END) OVER linked AS spent_change,
           count(*) FILTER (WHERE p.kind = 'capture') OVER linked AS receipts
      FROM (SELECT u.*, row_number() OVER (PARTITION BY u.job_id ORDER BY u.place) AS position
              FROM unnest(p_postings) WITH ORDINALITY
                AS u(job_id, call_id, kind, debit_account, credit_account, amount_nano, place)) p
      JOIN jobs j USING (job_id)
    WINDOW linked AS (PARTITION BY p.job_id ORDER BY p.place ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
  stored AS (
    INSERT INTO ledger_entries (job_id, entry_number, call_id, kind, debit_account, credit_account, amount_nano,
                                recorded_at_ms, hash)
    SELECT job_id, entry_number, call_id, kind, debit_account, credit_account, amount_nano, p_at_ms, hash
      FROM entries)
  UPDATE jobs j
     SET held_nano = j.held_nano + e.held_change, spent_nano = j.spent_nano + e.spent_change,
         receipt_count = j.receipt_count + e.receipts, ledger_count = e.entry_number, ledger_hash = e.hash
    FROM entries e WHERE e.is_last AND j.job_id = e.job_id
$$;

-- Where the window of a moment begins, in UTC.
CREATE FUNCTION budget_window_start(p_period text, p_at_ms bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_period WHEN 'none' THEN 0 ELSE
    (extract(epoch FROM date_trunc(p_period, to_timestamp(p_at_ms / 1000) AT TIME ZONE 'UTC')) * 1000)::bigint END
$$;

-- Moves budget windows by the ends of calls; each call says which windows its hold was taken from.
CREATE TYPE budget_end AS (budget_windows bigint[], hold_nano bigint, cost_nano bigint);
CREATE FUNCTION budget_end_calls(p_ends budget_end[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM budget_windows
   WHERE window_id IN (SELECT unnest(e.budget_windows) FROM unnest(p_ends) e) ORDER BY window_id FOR NO KEY UPDATE;
  UPDATE budget_windows w SET held_nano = w.held_nano - s.hold_nano, spent_nano = w.spent_nano + s.cost_nano
    FROM (SELECT id, sum(e.hold_nano) AS hold_nano, sum(e.cost_nano) AS cost_nano
            FROM unnest(p_ends) e CROSS JOIN LATERAL unnest(e.budget_windows) id GROUP BY id) s
   WHERE w.window_id = s.id;
END $$;

-- Sets, changes or (null) lifts a budget. What was spent and is held in its present window is counted from the ledger
-- and from the running calls, so that it covers the whole window from its begin, whenever it is set.
CREATE FUNCTION set_budget(
  p_tenant bytea, p_level text, p_subject text, p_period text, p_limit_nano bigint, p_now_ms bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_budget_id bigint;
  v_window_id bigint;
  v_starts_at_ms bigint := budget_window_start(p_period, p_now_ms);
  v_job_ids bytea[];
BEGIN
  PERFORM lock_budgets(p_tenant, false);
  INSERT INTO budgets (tenant, level, subject, period, limit_nano)
  VALUES (p_tenant, p_level, p_subject, p_period, p_limit_nano)
  ON CONFLICT (tenant, level, subject) DO UPDATE SET period = excluded.period, limit_nano = excluded.limit_nano
  RETURNING budget_id INTO v_budget_id;
  INSERT INTO budget_changes (budget_id, period, limit_nano, changed_at_ms)
  VALUES (v_budget_id, p_period, p_limit_nano, p_now_ms);
  SELECT array_agg(f.job_id) INTO v_job_ids FROM (
    SELECT job_id FROM jobs
     WHERE tenant = p_tenant AND p_subject = CASE p_level WHEN 'team' THEN team WHEN 'user' THEN member ELSE '' END
     ORDER BY job_id FOR NO KEY UPDATE) f;
  UPDATE jobs SET budget_ids = array_append(budget_ids, v_budget_id)
   WHERE job_id = ANY(v_job_ids) AND NOT v_budget_id = ANY(budget_ids);

  INSERT INTO budget_windows (budget_id, period, starts_at_ms) VALUES (v_budget_id, p_period, v_starts_at_ms)
  ON CONFLICT (budget_id, period, starts_at_ms) DO UPDATE SET period = excluded.period RETURNING window_id INTO v_window_id;
  UPDATE running_calls o SET budget_windows = array_append(o.budget_windows, v_window_id)
    FROM calls c
   WHERE o.job_id = ANY(v_job_ids) AND c.call_id = o.call_id AND c.held_at_ms >= v_starts_at_ms
     AND (v_window_id = ANY(o.budget_windows)) IS NOT TRUE;
  UPDATE budget_windows SET
    held_nano = (SELECT coalesce(sum(c.hold_nano), 0) FROM running_calls o JOIN calls c USING (call_id)
                  WHERE v_window_id = ANY(o.budget_windows)),
    spent_nano = (SELECT coalesce(sum(e.amount_nano), 0) FROM ledger_entries e JOIN calls c USING (call_id)
                   WHERE e.job_id = ANY(v_job_ids) AND e.kind = 'capture' AND c.held_at_ms >= v_starts_at_ms)
   WHERE window_id = v_window_id;
  RETURN v_budget_id;
END $$;

-- While a budget is set no job of its tenant is stored, so that none is forgotten.
CREATE FUNCTION lock_budgets(p_tenant bytea, p_shared boolean) RETURNS void LANGUAGE sql AS $$
  SELECT CASE WHEN p_shared THEN pg_advisory_xact_lock_shared(hashtext('budgets'), hashtext(encode(p_tenant, 'hex')))
              ELSE pg_advisory_xact_lock(hashtext('budgets'), hashtext(encode(p_tenant, 'hex'))) END
$$;

-- The fields of a call that its hold brings along; the rest of the row comes with time.
CREATE TYPE wanted_hold AS (
  call_id bytea, receipt_id bytea, job_id bytea, owner text, kind text, model text, provider_id bigint, tariff_hash bytea,
  hold_nano bigint, floor_nano bigint, request_hash bytea, proof_hash bytea, proof text, usage_auth text,
  idempotency_key text, jti_hash bytea, proof_expires_at_ms bigint, budget_windows bigint[]
);

-- Admits calls of any jobs, those of one job in the order given; the caller puts calls of one job side by side. Per
-- call: the proof is spent, the idempotency key claimed, and the hold taken from the job and from every budget above
-- it, or nothing but the proof changes and the outcome says why. The hold is hold_nano, or what is left when that is
-- less but still covers floor_nano. Null outcomes: all were
-- held in full.
-- Rows of jobs are locked first: batches of a job run one after the other, so none waits for another's keys.
CREATE FUNCTION hold_calls(p_now_ms bigint, p_wanted json, OUT outcomes text[], OUT holds_nano bigint[])
LANGUAGE plpgsql
-- Plans are made while the tables are small and kept for the life of a connection: without this, each batch would
-- read all rows there ever were.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_wanted wanted_hold[];
  v_held wanted_hold[];
  w wanted_hold;
  j jobs;
  v_outcome text;
  v_refusal text;
  v_room_nano bigint;
  v_proofs bytea[];
  v_known_ids bytea[];
  v_keyed_ids bytea[];
  v_proof_count int;
  v_key_count int;
  v_dropped_ids bytea[] := '{}';
  v_budget_ids bigint[];
  v_budget_levels text[];
  v_budget_rooms bigint[];
  v_window_ids bigint[];
  v_window_takes bigint[];
  v_budget int;
BEGIN
  SELECT array_agg(r), count(r.jti_hash), count(r.idempotency_key) INTO v_wanted, v_proof_count, v_key_count
    FROM json_populate_recordset(NULL::wanted_hold, p_wanted) r;
  PERFORM FROM jobs WHERE job_id IN (SELECT r.job_id FROM unnest(v_wanted) r) ORDER BY job_id FOR NO KEY UPDATE;

  -- A null jti: an earlier attempt of the same request has spent the proof already.
  WITH spent AS (
    INSERT INTO used_proofs
    SELECT r.job_id, r.jti_hash, r.proof_expires_at_ms FROM unnest(v_wanted) r WHERE r.jti_hash IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING job_id || jti_hash AS proof)
  SELECT coalesce(array_agg(proof), '{}') INTO v_proofs FROM spent;
  IF v_key_count > 0 THEN
    WITH claimed AS (
      INSERT INTO idempotency_keys
      SELECT r.job_id, r.idempotency_key, r.call_id, r.request_hash FROM unnest(v_wanted) r
       WHERE r.idempotency_key IS NOT NULL AND (r.jti_hash IS NULL OR r.job_id || r.jti_hash = ANY(v_proofs))
      ON CONFLICT DO NOTHING RETURNING call_id)
    SELECT coalesce(array_agg(call_id), '{}') INTO v_keyed_ids FROM claimed;
  ELSE
    v_keyed_ids := '{}';
  END IF;

  -- Without a key the jti alone names the call, longer than it is remembered as spent.
  SELECT coalesce(array_agg(k.receipt_id), '{}') INTO v_known_ids
    FROM unnest(v_wanted) r JOIN calls k USING (receipt_id) WHERE r.idempotency_key IS NULL;

  PERFORM FROM (SELECT r.job_id, sum(r.hold_nano) AS total_nano FROM unnest(v_wanted) r GROUP BY r.job_id) s
    LEFT JOIN jobs k USING (job_id)
   WHERE (k.status = 'open' AND k.revoked_at_ms IS NULL AND k.valid_after_ms <= p_now_ms
          AND p_now_ms < k.expires_at_ms AND k.budget_ids = '{}'
          AND k.spent_nano + k.held_nano + s.total_nano <= k.max_spend_nano) IS NOT TRUE;
  IF NOT FOUND AND v_known_ids = '{}' AND cardinality(v_proofs) = v_proof_count AND cardinality(v_keyed_ids) = v_key_count THEN
    v_held := v_wanted;
  ELSE
    -- Budgets of all jobs of the batch, with their windows of this moment, locked in id order.
    SELECT array_agg(b.budget_id ORDER BY b.budget_id) INTO v_budget_ids FROM budgets b
     WHERE b.budget_id IN (
       SELECT unnest(k.budget_ids) FROM jobs k WHERE k.job_id IN (SELECT r.job_id FROM unnest(v_wanted) r));
    IF v_budget_ids IS NOT NULL THEN
      INSERT INTO budget_windows (budget_id, period, starts_at_ms)
      SELECT b.budget_id, b.period, budget_window_start(b.period, p_now_ms) FROM budgets b
       WHERE b.budget_id = ANY(v_budget_ids) ORDER BY b.budget_id
      ON CONFLICT DO NOTHING;
      PERFORM FROM budget_windows x JOIN budgets b USING (budget_id)
       WHERE b.budget_id = ANY(v_budget_ids) AND x.period = b.period
         AND x.starts_at_ms = budget_window_start(b.period, p_now_ms)
       ORDER BY x.window_id FOR NO KEY UPDATE OF x;
      SELECT array_agg(b.budget_id ORDER BY b.budget_id), array_agg(b.level ORDER BY b.budget_id),
             array_agg(x.window_id ORDER BY b.budget_id), array_agg(0::bigint),
             array_agg(coalesce(b.limit_nano, 4611686018427387904) - x.held_nano - x.spent_nano
                       ORDER BY b.budget_id)
        INTO v_budget_ids, v_budget_levels, v_window_ids, v_window_takes, v_budget_rooms
        FROM budgets b JOIN budget_windows x USING (budget_id)
       WHERE b.budget_id = ANY(v_budget_ids) AND x.period = b.period
         AND x.starts_at_ms = budget_window_start(b.period, p_now_ms);
    END IF;

    v_held := '{}';
    FOREACH w IN ARRAY v_wanted LOOP
      IF j.job_id IS DISTINCT FROM w.job_id THEN
        SELECT * INTO j FROM jobs WHERE job_id = w.job_id;
        -- Nothing was found: then the record has no id either, and the next call looks again.
        v_refusal := CASE
          WHEN j.job_id IS NULL THEN 'unknown_job'
          WHEN j.revoked_at_ms IS NOT NULL THEN 'capability_revoked'
          WHEN j.status <> 'open' THEN 'job_closed'
          WHEN p_now_ms >= j.expires_at_ms THEN 'capability_expired'
          WHEN p_now_ms < j.valid_after_ms THEN 'capability_not_yet_valid' END;
        v_room_nano := j.max_spend_nano - j.spent_nano - j.held_nano;
      END IF;
      IF (w.jti_hash IS NOT NULL AND NOT w.job_id || w.jti_hash = ANY(v_proofs))
         OR (w.idempotency_key IS NULL AND w.receipt_id = ANY(v_known_ids)) THEN
        v_outcome := 'proof_replayed';
      ELSIF w.idempotency_key IS NOT NULL AND NOT w.call_id = ANY(v_keyed_ids) THEN
        v_outcome := 'duplicate';
      ELSE
        v_outcome := v_refusal;
        w.hold_nano := greatest(w.floor_nano, least(w.hold_nano, v_room_nano));
        IF v_outcome IS NULL AND w.hold_nano > v_room_nano THEN
          v_outcome := 'credit_exhausted';
        END IF;
        IF v_outcome IS NULL AND v_budget_ids && j.budget_ids THEN
          FOREACH v_budget IN ARRAY (SELECT array_agg(array_position(v_budget_ids, b) ORDER BY b)
                                       FROM unnest(j.budget_ids) b WHERE b = ANY(v_budget_ids)) LOOP
            w.hold_nano := greatest(w.floor_nano, least(w.hold_nano, v_budget_rooms[v_budget]));
            w.budget_windows := array_append(w.budget_windows, v_window_ids[v_budget]);
            IF w.hold_nano > v_budget_rooms[v_budget] THEN
              v_outcome := coalesce(v_outcome, v_budget_levels[v_budget] || '_budget_exhausted');
            END IF;
          END LOOP;
        END IF;
      END IF;
      -- The same proof twice in one batch is fresh for the first alone.
      v_proofs := array_remove(v_proofs, w.job_id || w.jti_hash);
      IF v_outcome IS NULL THEN
        v_outcome := 'held';
        v_room_nano := v_room_nano - w.hold_nano;
        FOR v_budget IN 1..coalesce(cardinality(v_window_ids), 0) LOOP
          CONTINUE WHEN (v_window_ids[v_budget] = ANY(w.budget_windows)) IS NOT TRUE;
          v_budget_rooms[v_budget] := v_budget_rooms[v_budget] - w.hold_nano;
          v_window_takes[v_budget] := v_window_takes[v_budget] + w.hold_nano;
        END LOOP;
        v_held := array_append(v_held, w);
      ELSIF w.idempotency_key IS NOT NULL AND v_outcome NOT IN ('proof_replayed', 'duplicate') THEN
        v_dropped_ids := array_append(v_dropped_ids, w.call_id);
      END IF;
      outcomes := array_append(outcomes, v_outcome);
      holds_nano := array_append(holds_nano, w.hold_nano);
    END LOOP;
    IF v_dropped_ids <> '{}' THEN
      DELETE FROM idempotency_keys k USING unnest(v_wanted) r
       WHERE k.job_id = r.job_id AND k.idempotency_key = r.idempotency_key AND k.call_id = r.call_id
         AND r.call_id = ANY(v_dropped_ids);
    END IF;
    IF v_held = '{}' THEN
      RETURN;
    END IF;
    IF v_window_ids IS NOT NULL THEN
      UPDATE budget_windows x SET held_nano = x.held_nano + t.take_nano
        FROM unnest(v_window_ids, v_window_takes) AS t(window_id, take_nano)
       WHERE x.window_id = t.window_id AND t.take_nano > 0;
    END IF;
  END IF;

  INSERT INTO calls (call_id, receipt_id, job_id, state, owner, kind, model, provider_id, tariff_hash, hold_nano,
                     request_hash, proof_hash, proof, usage_auth, idempotency_key, held_at_ms)
  SELECT r.call_id, r.receipt_id, r.job_id, 'held', r.owner, r.kind, r.model, r.provider_id, r.tariff_hash, r.hold_nano,
         r.request_hash, r.proof_hash, r.proof, r.usage_auth, r.idempotency_key, p_now_ms
    FROM unnest(v_held) r;
  INSERT INTO running_calls SELECT r.call_id, r.job_id, r.owner, r.budget_windows FROM unnest(v_held) r;
  PERFORM ledger_post(array_agg(ROW(r.job_id, r.call_id, 'hold', 'available', 'held', r.hold_nano)::ledger_posting), p_now_ms)
    FROM unnest(v_held) r WHERE r.hold_nano > 0 HAVING count(*) > 0;
END $$;

-- Moves the head from the expected seq and stores the events; false when another writer moved it first.
CREATE FUNCTION feed_append(
  p_gateway bytea, p_expected_seq bigint, p_at_ms bigint, p_events json, p_hashes bytea[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE feed_heads
     SET seq = p_expected_seq + cardinality(p_hashes),
         hash = p_hashes[cardinality(p_hashes)],
         recorded_at_ms = p_at_ms
   WHERE gateway = p_gateway AND seq = p_expected_seq;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO feed_events (gateway, seq, event, hash)
  SELECT p_gateway, p_expected_seq + e.n, e.event, p_hashes[e.n]
    FROM json_array_elements(p_events) WITH ORDINALITY AS e(event, n);
  RETURN true;
END $$;

CREATE TYPE wanted_capture AS (
  call_id bytea, job_id bytea, cost_nano bigint, metered_units jsonb, response_hash bytea, outcome text,
  answer_status smallint, answer_headers jsonb, answer_body bytea
);

-- Charges calls, releases the rest of their holds, stores answers and feed events, which hold the receipts in the
-- same order: all or nothing. False when another writer moved the feed's head first. A call that is no longer open
-- raises TAC01 with its id, so that the caller can try the others again.
CREATE FUNCTION capture_calls(
  p_gateway bytea, p_expected_seq bigint, p_now_ms bigint, p_events json, p_hashes bytea[], p_wanted json
) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_wanted wanted_capture[];
  v_captured bytea[];
  v_missing bytea;
  v_postings ledger_posting[];
  v_ends budget_end[];
BEGIN
  IF NOT feed_append(p_gateway, p_expected_seq, p_now_ms, p_events, p_hashes) THEN
    RETURN false;
  END IF;
  SELECT array_agg(r) INTO v_wanted FROM json_populate_recordset(NULL::wanted_capture, p_wanted) r;

  WITH captured AS (
    UPDATE calls k
       SET state = 'captured', cost_nano = r.cost_nano, metered_units = r.metered_units,
           response_hash = r.response_hash, outcome = r.outcome, feed_gateway = p_gateway,
           feed_seq = p_expected_seq + r.place, ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL
      FROM unnest(v_wanted) WITH ORDINALITY
        AS r(call_id, job_id, cost_nano, metered_units, response_hash, outcome, answer_status, answer_headers, answer_body, place)
     WHERE k.call_id = r.call_id AND k.job_id = r.job_id AND k.state IN ('held', 'delivered')
    RETURNING k.call_id, k.job_id, k.provider_id, k.hold_nano, k.cost_nano, k.idempotency_key,
              r.answer_status, r.answer_headers, r.answer_body, r.place),
  answered AS (
    INSERT INTO answers
    SELECT call_id, answer_status, answer_headers, answer_body, p_now_ms FROM captured WHERE idempotency_key IS NOT NULL)
  SELECT array_agg(c.call_id) FILTER (WHERE p.kind = 'capture'),
         array_agg(ROW(c.job_id, c.call_id, p.kind, 'held', p.account, p.amount_nano)::ledger_posting
                   ORDER BY c.job_id, c.place, p.kind)
    INTO v_captured, v_postings
    FROM captured c CROSS JOIN LATERAL (VALUES
           ('capture', 'provider:' || c.provider_id, c.cost_nano),
           ('release', 'available', c.hold_nano - c.cost_nano)) AS p(kind, account, amount_nano)
   WHERE p.kind = 'capture' OR p.amount_nano > 0;
  IF cardinality(v_captured) IS DISTINCT FROM cardinality(v_wanted) THEN
    SELECT r.call_id INTO v_missing FROM unnest(v_wanted) r WHERE (r.call_id = ANY(v_captured)) IS NOT TRUE LIMIT 1;
    RAISE EXCEPTION 'call is not open' USING ERRCODE = 'TAC01', DETAIL = encode(v_missing, 'hex');
  END IF;

  PERFORM FROM jobs WHERE job_id IN (SELECT r.job_id FROM unnest(v_wanted) r) ORDER BY job_id FOR NO KEY UPDATE;
  PERFORM ledger_post(v_postings, p_now_ms);
  WITH ended AS (
    DELETE FROM running_calls WHERE call_id = ANY(v_captured) RETURNING call_id, budget_windows)
  SELECT array_agg(ROW(e.budget_windows, k.hold_nano, k.cost_nano)::budget_end) INTO v_ends
    FROM ended e JOIN calls k USING (call_id) WHERE e.budget_windows IS NOT NULL;
  IF v_ends IS NOT NULL THEN
    PERFORM budget_end_calls(v_ends);
  END IF;
  RETURN true;
END $$;

-- Gives a whole hold back, uncharged, and frees the idempotency key; false when the call was no longer open.
CREATE FUNCTION release_call(p_call_id bytea, p_outcome text, p_now_ms bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  c calls;
  v_windows bigint[];
BEGIN
  UPDATE calls
     SET state = 'released', is_released = true, outcome = p_outcome, ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL
   WHERE call_id = p_call_id AND state IN ('held', 'delivered')
  RETURNING * INTO c;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM FROM jobs WHERE job_id = c.job_id FOR NO KEY UPDATE;
  IF c.hold_nano > 0 THEN
    PERFORM ledger_post(ARRAY[ROW(c.job_id, c.call_id, 'release', 'held', 'available', c.hold_nano)::ledger_posting], p_now_ms);
  END IF;
  DELETE FROM running_calls WHERE call_id = p_call_id RETURNING budget_windows INTO v_windows;
  IF v_windows IS NOT NULL THEN
    PERFORM budget_end_calls(ARRAY[ROW(v_windows, c.hold_nano, 0)::budget_end]);
  END IF;
  DELETE FROM idempotency_keys
   WHERE job_id = c.job_id AND idempotency_key = c.idempotency_key AND call_id = c.call_id;
  RETURN true;
END $$;

-- Lets a role run the gateway: it reads and writes everything but the migrations, and of append-only tables it can
-- neither change nor remove a row. To be called again after a migration that adds tables.
CREATE FUNCTION grant_runtime(p_role name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_table regclass;
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', p_role);
  -- The queue library keeps its tables in a schema that it creates itself.
  EXECUTE format('GRANT CREATE ON DATABASE %I TO %I', current_database(), p_role);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', p_role);
  EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %I', p_role);
  EXECUTE format('REVOKE ALL ON migrations FROM %I', p_role);
  FOR v_table IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgfoid = 'refuse_change'::regproc LOOP
    EXECUTE format('REVOKE UPDATE, DELETE ON %s FROM %I', v_table, p_role);
  END LOOP;
  -- Balances come from the ledger and are never removed; a window of a budget neither.
  EXECUTE format('REVOKE DELETE ON jobs, job_grants, calls, budgets, budget_windows, feed_heads FROM %I', p_role);
END $$;
REVOKE ALL ON FUNCTION grant_runtime FROM PUBLIC;

-- Down Migration

DO $$ BEGIN RAISE EXCEPTION 'the functions of before are not kept'; END $$;
