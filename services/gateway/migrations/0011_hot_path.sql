-- Up Migration

-- The one clock of what replicas compare with each other: leases, how long a proof is remembered, the age of answers.
CREATE FUNCTION store_now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;
ALTER TABLE running_calls ADD COLUMN since_ms bigint NOT NULL DEFAULT store_now_ms();

-- One index keeps both promises about receipts: of a call's attempts at most one runs or was charged, and a call
-- without an idempotency key has one attempt ever. A released attempt with a key steps aside under its own id.
ALTER TABLE calls ADD COLUMN released_as bytea NOT NULL DEFAULT '';
UPDATE calls SET released_as = call_id WHERE is_released AND idempotency_key IS NOT NULL;
DROP INDEX calls_one_per_receipt;
ALTER TABLE calls DROP CONSTRAINT calls_one_per_proof;
CREATE UNIQUE INDEX calls_one_per_receipt ON calls (receipt_id, released_as);

DROP FUNCTION hold_calls, capture_calls, ledger_post;
DROP TYPE wanted_hold, wanted_capture;

-- Appends entries, given column by column and each job's in order, to the chains of their jobs, and moves the jobs'
-- balances by them: a balance is never written but by the entries that make it up. The caller has locked the jobs. A
-- link is the SHA-256 of the link before and of the fields of all its entries, each ended by a line feed.
CREATE FUNCTION ledger_post_all(
  p_job_ids bytea[], p_call_ids bytea[], p_kinds text[], p_debit_accounts text[], p_credit_accounts text[],
  p_amounts_nano bigint[], p_at_ms bigint
) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  WITH postings AS (
    SELECT u.*, row_number() OVER (PARTITION BY u.job_id ORDER BY u.place) AS position
      FROM unnest(p_job_ids, p_call_ids, p_kinds, p_debit_accounts, p_credit_accounts, p_amounts_nano) WITH ORDINALITY
        AS u(job_id, call_id, kind, debit_account, credit_account, amount_nano, place)),
  links AS (
    SELECT p.job_id, j.ledger_count, count(*) AS entries,
           sha256(j.ledger_hash || convert_to(string_agg(concat(
             encode(p.job_id, 'hex'), E'\n', j.ledger_count + p.position, E'\n', encode(p.call_id, 'hex'), E'\n',
             p.kind, E'\n', p.debit_account, E'\n', p.credit_account, E'\n', p.amount_nano, E'\n', p_at_ms, E'\n'),
             '' ORDER BY p.position), 'UTF8')) AS hash,
           sum(CASE WHEN p.credit_account = 'held' THEN p.amount_nano
                    WHEN p.debit_account = 'held' THEN -p.amount_nano ELSE 0 END) AS held_change,
           sum(CASE WHEN p.kind = 'capture' THEN p.amount_nano ELSE 0 END) AS spent_change,
           count(*) FILTER (WHERE p.kind = 'capture') AS receipts
      FROM postings p JOIN jobs j USING (job_id) GROUP BY p.job_id, j.ledger_count, j.ledger_hash),
  stored AS (
    INSERT INTO ledger_entries (job_id, entry_number, call_id, kind, debit_account, credit_account, amount_nano,
                                recorded_at_ms, hash)
    SELECT p.job_id, l.ledger_count + p.position, p.call_id, p.kind, p.debit_account, p.credit_account, p.amount_nano,
           p_at_ms, CASE WHEN p.position = l.entries THEN l.hash END
      FROM links l JOIN postings p USING (job_id))
  UPDATE jobs j
     SET held_nano = j.held_nano + l.held_change, spent_nano = j.spent_nano + l.spent_change,
         receipt_count = j.receipt_count + l.receipts, ledger_count = l.ledger_count + l.entries, ledger_hash = l.hash
    FROM links l WHERE j.job_id = l.job_id;
END $$;

-- The same for few entries.
CREATE FUNCTION ledger_post(p_postings ledger_posting[], p_at_ms bigint) RETURNS void LANGUAGE sql AS $$
  SELECT ledger_post_all(array_agg(p.job_id), array_agg(p.call_id), array_agg(p.kind), array_agg(p.debit_account),
                         array_agg(p.credit_account), array_agg(p.amount_nano), p_at_ms)
    FROM unnest(p_postings) p
$$;

-- A call that asks for its hold, as far as deciding needs it.
CREATE TYPE wanted_hold AS (
  place bigint, call_id bytea, receipt_id bytea, job_id bytea, hold_nano bigint, floor_nano bigint, request_hash bytea,
  proof_hash bytea, idempotency_key text, jti_hash bytea, budget_windows bigint[]
);

-- Admits calls of any jobs, given column by column, those of one job side by side in the order given. Per call: the
-- proof is spent, the idempotency key claimed, and the hold taken from the job and from every budget above it, or
-- nothing but the proof changes and the outcome says why. The hold is hold_nano, or what is left when that is less but
-- still covers floor_nano. Null outcomes: all were held in full.
-- Rows of jobs are locked first: batches of a job run one after the other, so none waits for another's keys.
CREATE FUNCTION hold_calls(
  p_now_ms bigint, p_owner text, p_proof_memory_ms bigint,
  p_call_ids bytea[], p_receipt_ids bytea[], p_job_ids bytea[], p_kinds text[], p_models text[], p_provider_ids bigint[],
  p_tariff_hashes bytea[], p_holds_nano bigint[], p_floors_nano bigint[], p_request_hashes bytea[],
  p_proof_hashes bytea[], p_idempotency_keys text[], p_jti_hashes bytea[],
  OUT outcomes text[], OUT holds_nano bigint[])
LANGUAGE plpgsql
-- Plans are made while the tables are small and kept for the life of a connection: without this, each batch would
-- read all rows there ever were.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_held wanted_hold[];
  w wanted_hold;
  j jobs;
  v_outcome text;
  v_refusal text;
  v_room_nano bigint;
  v_proofs bytea[];
  v_known_places bigint[];
  v_keyed_ids bytea[] := '{}';
  v_proof_count int;
  v_key_count int;
  v_dropped_ids bytea[] := '{}';
  v_budget_ids bigint[];
  v_budget_levels text[];
  v_budget_rooms bigint[];
  v_window_ids bigint[];
  v_window_takes bigint[];
  v_budget int;
  v_is_stored boolean := false;
  v_constraint text;
BEGIN
  v_proof_count := cardinality(array_remove(p_jti_hashes, NULL));
  v_key_count := cardinality(array_remove(p_idempotency_keys, NULL));
  PERFORM FROM jobs WHERE job_id = ANY(p_job_ids) ORDER BY job_id FOR NO KEY UPDATE;

  -- A null jti: an earlier attempt of the same request has spent the proof already.
  WITH spent AS (
    INSERT INTO used_proofs
    SELECT r.job_id, r.jti_hash, store_now.ms + p_proof_memory_ms
      FROM unnest(p_job_ids, p_jti_hashes) r(job_id, jti_hash), (SELECT store_now_ms() AS ms) store_now
     WHERE r.jti_hash IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING job_id || jti_hash AS proof)
  SELECT coalesce(array_agg(proof), '{}') INTO v_proofs FROM spent;
  IF v_key_count > 0 THEN
    WITH claimed AS (
      INSERT INTO idempotency_keys
      SELECT r.job_id, r.idempotency_key, r.call_id, r.request_hash
        FROM unnest(p_job_ids, p_idempotency_keys, p_call_ids, p_request_hashes, p_jti_hashes)
          r(job_id, idempotency_key, call_id, request_hash, jti_hash)
       WHERE r.idempotency_key IS NOT NULL AND (r.jti_hash IS NULL OR r.job_id || r.jti_hash = ANY(v_proofs))
      ON CONFLICT DO NOTHING RETURNING call_id)
    SELECT coalesce(array_agg(call_id), '{}') INTO v_keyed_ids FROM claimed;
  END IF;

  PERFORM FROM (SELECT r.job_id, sum(r.hold_nano) AS total_nano
                  FROM unnest(p_job_ids, p_holds_nano) r(job_id, hold_nano) GROUP BY r.job_id) s
    LEFT JOIN jobs k USING (job_id)
   WHERE (k.status = 'open' AND k.revoked_at_ms IS NULL AND k.valid_after_ms <= p_now_ms
          AND p_now_ms < k.expires_at_ms AND k.budget_ids = '{}'
          AND k.spent_nano + k.held_nano + s.total_nano <= k.max_spend_nano) IS NOT TRUE;
  IF NOT FOUND AND cardinality(v_proofs) = v_proof_count AND cardinality(v_keyed_ids) = v_key_count THEN
    -- That no call is known yet is left to the index that says so, which costs nothing where it holds.
    BEGIN
      INSERT INTO calls (call_id, receipt_id, job_id, state, owner, kind, model, provider_id, tariff_hash, hold_nano,
                         request_hash, proof_hash, idempotency_key, held_at_ms)
      SELECT r.call_id, r.receipt_id, r.job_id, 'held', p_owner, r.kind, r.model, r.provider_id, r.tariff_hash,
             r.hold_nano, r.request_hash, r.proof_hash, r.idempotency_key, p_now_ms
        FROM unnest(p_call_ids, p_receipt_ids, p_job_ids, p_kinds, p_models, p_provider_ids, p_tariff_hashes,
                    p_holds_nano, p_request_hashes, p_proof_hashes, p_idempotency_keys)
          r(call_id, receipt_id, job_id, kind, model, provider_id, tariff_hash, hold_nano, request_hash, proof_hash,
            idempotency_key);
      v_is_stored := true;
    EXCEPTION WHEN unique_violation THEN
      GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
      IF v_constraint <> 'calls_one_per_receipt' THEN
        RAISE;
      END IF;
    END;
  END IF;
  IF v_is_stored THEN
    INSERT INTO running_calls (call_id, job_id, owner)
    SELECT r.call_id, r.job_id, p_owner FROM unnest(p_call_ids, p_job_ids) r(call_id, job_id);
    PERFORM ledger_post_all(array_agg(r.job_id), array_agg(r.call_id), array_agg('hold'::text),
                            array_agg('available'::text), array_agg('held'::text), array_agg(r.hold_nano), p_now_ms)
       FROM unnest(p_job_ids, p_call_ids, p_holds_nano) r(job_id, call_id, hold_nano)
      WHERE r.hold_nano > 0 HAVING count(*) > 0;
    RETURN;
  END IF;

  -- Without a key the jti alone names the call, longer than it is remembered as spent; with one the proof does.
  SELECT coalesce(array_agg(r.place), '{}') INTO v_known_places
    FROM unnest(p_receipt_ids, p_proof_hashes, p_idempotency_keys) WITH ORDINALITY
           r(receipt_id, proof_hash, idempotency_key, place)
    JOIN calls k USING (receipt_id)
   WHERE r.idempotency_key IS NULL OR k.proof_hash = r.proof_hash;

  -- Budgets of all jobs of the batch, with their windows of this moment, locked in id order.
  SELECT array_agg(b.budget_id ORDER BY b.budget_id) INTO v_budget_ids FROM budgets b
   WHERE b.budget_id IN (SELECT unnest(k.budget_ids) FROM jobs k WHERE k.job_id = ANY(p_job_ids));
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
           array_agg(coalesce(b.limit_nano, 4611686018427387904) - x.held_nano - x.spent_nano ORDER BY b.budget_id)
      INTO v_budget_ids, v_budget_levels, v_window_ids, v_window_takes, v_budget_rooms
      FROM budgets b JOIN budget_windows x USING (budget_id)
     WHERE b.budget_id = ANY(v_budget_ids) AND x.period = b.period
       AND x.starts_at_ms = budget_window_start(b.period, p_now_ms);
  END IF;

  v_held := '{}';
  FOR w IN
    SELECT r.place, r.call_id, r.receipt_id, r.job_id, r.hold_nano, r.floor_nano, r.request_hash, r.proof_hash,
           r.idempotency_key, r.jti_hash, NULL::bigint[]
      FROM unnest(p_call_ids, p_receipt_ids, p_job_ids, p_holds_nano, p_floors_nano, p_request_hashes, p_proof_hashes,
                  p_idempotency_keys, p_jti_hashes) WITH ORDINALITY
             r(call_id, receipt_id, job_id, hold_nano, floor_nano, request_hash, proof_hash, idempotency_key, jti_hash,
               place)
     ORDER BY r.place
  LOOP
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
    IF (w.jti_hash IS NOT NULL AND NOT w.job_id || w.jti_hash = ANY(v_proofs)) OR w.place = ANY(v_known_places) THEN
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
    ELSIF w.idempotency_key IS NOT NULL AND v_outcome <> 'duplicate' AND w.call_id = ANY(v_keyed_ids) THEN
      v_dropped_ids := array_append(v_dropped_ids, w.call_id);
    END IF;
    outcomes := array_append(outcomes, v_outcome);
    holds_nano := array_append(holds_nano, w.hold_nano);
  END LOOP;
  IF v_dropped_ids <> '{}' THEN
    DELETE FROM idempotency_keys k USING unnest(p_job_ids, p_idempotency_keys, p_call_ids) r(job_id, idempotency_key, call_id)
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
  INSERT INTO calls (call_id, receipt_id, job_id, state, owner, kind, model, provider_id, tariff_hash, hold_nano,
                     request_hash, proof_hash, idempotency_key, held_at_ms)
  SELECT r.call_id, r.receipt_id, r.job_id, 'held', p_owner, p_kinds[r.place], p_models[r.place],
         p_provider_ids[r.place], p_tariff_hashes[r.place], r.hold_nano, r.request_hash, r.proof_hash,
         r.idempotency_key, p_now_ms
    FROM unnest(v_held) r;
  INSERT INTO running_calls (call_id, job_id, owner, budget_windows)
  SELECT r.call_id, r.job_id, p_owner, r.budget_windows FROM unnest(v_held) r;
  PERFORM ledger_post(array_agg(ROW(r.job_id, r.call_id, 'hold', 'available', 'held', r.hold_nano)::ledger_posting), p_now_ms)
    FROM unnest(v_held) r WHERE r.hold_nano > 0 HAVING count(*) > 0;
END $$;

-- Charges calls, given column by column, releases the rest of their holds, stores answers and feed events, which hold the
-- receipts in the same order: all or nothing. False when another writer moved the feed's head first. A call that is no
-- longer open raises TAC01 with its id, so that the caller can try the others again.
CREATE FUNCTION capture_calls(
  p_gateway bytea, p_expected_seq bigint, p_now_ms bigint, p_events text[], p_hashes bytea[],
  p_call_ids bytea[], p_job_ids bytea[], p_costs_nano bigint[], p_metered_units text[], p_response_hashes bytea[],
  p_outcomes text[], p_answer_statuses bigint[], p_answer_headers text[], p_answer_bodies bytea[]
) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_captured int;
  v_missing bytea;
  v_job_ids bytea[];
  v_call_ids bytea[];
  v_kinds text[];
  v_accounts text[];
  v_amounts_nano bigint[];
  v_ends budget_end[];
BEGIN
  UPDATE feed_heads
     SET seq = p_expected_seq + cardinality(p_hashes), hash = p_hashes[cardinality(p_hashes)], recorded_at_ms = p_now_ms
   WHERE gateway = p_gateway AND seq = p_expected_seq;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO feed_events (gateway, seq, event, hash)
  SELECT p_gateway, p_expected_seq + e.place, e.event::json, e.hash
    FROM unnest(p_events, p_hashes) WITH ORDINALITY AS e(event, hash, place);

  WITH captured AS (
    UPDATE calls k
       SET state = 'captured', cost_nano = r.cost_nano, metered_units = r.metered_units::jsonb,
           response_hash = r.response_hash, outcome = r.outcome, feed_gateway = p_gateway,
           feed_seq = p_expected_seq + r.place, ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL
      FROM unnest(p_call_ids, p_job_ids, p_costs_nano, p_metered_units, p_response_hashes, p_outcomes) WITH ORDINALITY
        AS r(call_id, job_id, cost_nano, metered_units, response_hash, outcome, place)
     WHERE k.call_id = r.call_id AND k.job_id = r.job_id AND k.state IN ('held', 'delivered')
    RETURNING k.call_id, k.job_id, k.provider_id, k.hold_nano, k.cost_nano, k.idempotency_key, r.place),
  answered AS (
    INSERT INTO answers
    SELECT call_id, p_answer_statuses[place], p_answer_headers[place]::jsonb, p_answer_bodies[place], store_now_ms()
      FROM captured WHERE idempotency_key IS NOT NULL)
  SELECT count(*) FILTER (WHERE p.kind = 'capture'), array_agg(c.job_id), array_agg(c.call_id), array_agg(p.kind),
         array_agg(p.account), array_agg(p.amount_nano)
    INTO v_captured, v_job_ids, v_call_ids, v_kinds, v_accounts, v_amounts_nano
    FROM captured c CROSS JOIN LATERAL (VALUES
           ('capture', 'provider:' || c.provider_id, c.cost_nano),
           ('release', 'available', c.hold_nano - c.cost_nano)) AS p(kind, account, amount_nano)
   WHERE p.kind = 'capture' OR p.amount_nano > 0;
  IF v_captured <> cardinality(p_call_ids) THEN
    SELECT r INTO v_missing FROM unnest(p_call_ids) r WHERE (r = ANY(v_call_ids)) IS NOT TRUE LIMIT 1;
    RAISE EXCEPTION 'call is not open' USING ERRCODE = 'TAC01', DETAIL = encode(v_missing, 'hex');
  END IF;

  PERFORM FROM jobs WHERE job_id = ANY(p_job_ids) ORDER BY job_id FOR NO KEY UPDATE;
  PERFORM ledger_post_all(v_job_ids, v_call_ids, v_kinds, array_fill('held'::text, ARRAY[cardinality(v_kinds)]),
                          v_accounts, v_amounts_nano, p_now_ms);
  WITH ended AS (
    DELETE FROM running_calls WHERE call_id = ANY(p_call_ids) RETURNING call_id, budget_windows)
  SELECT array_agg(ROW(e.budget_windows, k.hold_nano, k.cost_nano)::budget_end) INTO v_ends
    FROM ended e JOIN calls k USING (call_id) WHERE e.budget_windows IS NOT NULL;
  IF v_ends IS NOT NULL THEN
    PERFORM budget_end_calls(v_ends);
  END IF;
  RETURN true;
END $$;

-- Gives a whole hold back, uncharged, and frees the idempotency key; false when the call was no longer open.
CREATE OR REPLACE FUNCTION release_call(p_call_id bytea, p_outcome text, p_now_ms bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  c calls;
  v_windows bigint[];
BEGIN
  UPDATE calls
     SET state = 'released', is_released = true, outcome = p_outcome, ended_at_ms = p_now_ms, proof = NULL,
         usage_auth = NULL, released_as = CASE WHEN idempotency_key IS NULL THEN '' ELSE call_id END
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

-- Down Migration

DO $$ BEGIN RAISE EXCEPTION 'the functions of before are not kept'; END $$;
