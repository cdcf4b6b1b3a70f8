-- Up Migration

-- A CHECK is parsed anew from its stored text by every statement that writes its table, which at a call or two a statement
-- was an eighth of all that the store did. A domain's is kept for the life of a connection, and is asked about a column only
-- where that is written. So what one column must be is said by its domain, and what several must be by one CHECK a table.
-- Not the tenant's: a replica of the version before stores jobs by a statement that would no longer fit, and may still run.
CREATE DOMAIN bytes32 AS bytea CONSTRAINT is_32_bytes CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN nanocredits AS bigint CONSTRAINT is_not_negative CHECK (VALUE >= 0);
CREATE DOMAIN job_status AS text CONSTRAINT is_known CHECK (VALUE IN ('open', 'closed', 'settled'));
CREATE DOMAIN call_state AS text CONSTRAINT is_known CHECK (VALUE IN ('held', 'delivered', 'captured', 'released'));
CREATE DOMAIN ledger_kind AS text CONSTRAINT is_known CHECK (VALUE IN ('lock', 'hold', 'capture', 'release'));

ALTER TABLE jobs
  DROP CONSTRAINT jobs_job_id_is_32_bytes, ALTER COLUMN job_id TYPE bytes32,
  DROP CONSTRAINT jobs_status_is_known, ALTER COLUMN status TYPE job_status,
  DROP CONSTRAINT jobs_held_is_not_negative, ALTER COLUMN held_nano TYPE nanocredits,
  DROP CONSTRAINT jobs_spent_is_not_negative, ALTER COLUMN spent_nano TYPE nanocredits;

ALTER TABLE calls
  DROP CONSTRAINT calls_call_id_is_32_bytes, ALTER COLUMN call_id TYPE bytes32,
  DROP CONSTRAINT calls_state_is_known, ALTER COLUMN state TYPE call_state,
  DROP CONSTRAINT calls_hold_is_not_negative, ALTER COLUMN hold_nano TYPE nanocredits,
  DROP CONSTRAINT calls_cost_within_hold, ALTER COLUMN cost_nano TYPE nanocredits,
  DROP CONSTRAINT calls_end_has_a_time, DROP CONSTRAINT calls_is_released, DROP CONSTRAINT calls_captured_has_receipt,
  -- The state says it, and no index asks for it any more.
  DROP COLUMN is_released,
  ADD CONSTRAINT calls_state_fits CHECK (
    num_nonnulls(ended_at_ms, feed_gateway, feed_seq, cost_nano)
      = CASE state WHEN 'captured' THEN 4 WHEN 'released' THEN 1 ELSE 0 END
    AND cost_nano <= hold_nano);

ALTER TABLE ledger_entries
  DROP CONSTRAINT ledger_entries_kind_is_known, ALTER COLUMN kind TYPE ledger_kind,
  DROP CONSTRAINT ledger_entries_amount_is_positive, ALTER COLUMN amount_nano TYPE nanocredits,
  DROP CONSTRAINT ledger_entries_two_accounts,
  -- Every receipt has its capture, also one that costs nothing.
  ADD CONSTRAINT ledger_entries_move_something CHECK ((amount_nano > 0 OR kind = 'capture') AND debit_account <> credit_account);

ALTER TABLE budget_windows
  DROP CONSTRAINT budget_windows_held_is_not_negative, ALTER COLUMN held_nano TYPE nanocredits,
  DROP CONSTRAINT budget_windows_spent_is_not_negative, ALTER COLUMN spent_nano TYPE nanocredits;

-- What a link's hash covers of one entry: its fields, each ended by a line feed. Not IMMUTABLE, which concat is not, so
-- that it is put into the statements that use it.
CREATE FUNCTION ledger_text(
  p_job_id bytea, p_number bigint, p_call_id bytea, p_kind text, p_debit text, p_credit text, p_amount_nano bigint,
  p_at_ms bigint
) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT concat(encode(p_job_id, 'hex'), E'\n', p_number, E'\n', encode(p_call_id, 'hex'), E'\n', p_kind, E'\n',
                p_debit, E'\n', p_credit, E'\n', p_amount_nano, E'\n', p_at_ms, E'\n')
$$;

-- As before, but for where the text of an entry comes from.
CREATE OR REPLACE FUNCTION ledger_post_all(
  p_job_ids bytea[], p_call_ids bytea[], p_kinds text[], p_debit_accounts text[], p_credit_accounts text[],
  p_amounts_nano bigint[], p_at_ms bigint
) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  WITH postings AS (
    SELECT u.*, row_number() OVER (PARTITION BY u.job_id ORDER BY u.place) AS position
      FROM unnest(p_job_ids, p_call_ids, p_kinds, p_debit_accounts, p_credit_accounts, p_amounts_nano) WITH ORDINALITY
        AS u(job_id, call_id, kind, debit_account, credit_account, amount_nano, place)),
  links AS (
    SELECT p.job_id, j.ledger_count, count(*) AS entries,
           sha256(j.ledger_hash || convert_to(string_agg(
             ledger_text(p.job_id, j.ledger_count + p.position, p.call_id, p.kind, p.debit_account, p.credit_account,
                         p.amount_nano, p_at_ms), '' ORDER BY p.position), 'UTF8')) AS hash,
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

-- hold_calls for one call, which is what there is at low rates: nothing to sort, to group or to take apart. Gives 'held',
-- 'held 25' when it is 25 that could be held, or why not. Where anything is not as usual it takes nothing and leaves the
-- call to hold_calls. It gives one text, since reading a row of two columns would take a scan of its own.
CREATE FUNCTION hold_call(
  p_now_ms bigint, p_owner text, p_proof_memory_ms bigint,
  p_call_id bytea, p_receipt_id bytea, p_job_id bytea, p_kind text, p_model text, p_provider_id bigint,
  p_tariff_hash bytea, p_hold_nano bigint, p_floor_nano bigint, p_request_hash bytea, p_proof_hash bytea,
  p_idempotency_key text, p_jti_hash bytea
) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_outcome text;
  v_held_nano bigint;
  v_number bigint;
  v_hash bytea;
BEGIN
  IF p_hold_nano > 0 THEN
    -- Undone as a whole when the proof was spent, the key is taken or the call is known.
    BEGIN
      -- The check, the hold, the lock that other holds of the job wait for, and the link of the entry below.
      UPDATE jobs j
         SET held_nano = j.held_nano + p_hold_nano, ledger_count = j.ledger_count + 1,
             ledger_hash = sha256(j.ledger_hash || convert_to(ledger_text(
               p_job_id, j.ledger_count + 1, p_call_id, 'hold', 'available', 'held', p_hold_nano, p_now_ms), 'UTF8'))
       WHERE j.job_id = p_job_id AND j.status = 'open' AND j.revoked_at_ms IS NULL AND j.valid_after_ms <= p_now_ms
         AND p_now_ms < j.expires_at_ms AND j.budget_ids = '{}'
         AND j.spent_nano + j.held_nano + p_hold_nano <= j.max_spend_nano
      RETURNING j.ledger_count, j.ledger_hash INTO v_number, v_hash;
      IF FOUND THEN
        INSERT INTO ledger_entries (job_id, entry_number, call_id, kind, debit_account, credit_account, amount_nano,
                                    recorded_at_ms, hash)
        VALUES (p_job_id, v_number, p_call_id, 'hold', 'available', 'held', p_hold_nano, p_now_ms, v_hash);
        IF p_jti_hash IS NOT NULL THEN
          INSERT INTO used_proofs VALUES (p_job_id, p_jti_hash, store_now_ms() + p_proof_memory_ms);
        END IF;
        IF p_idempotency_key IS NOT NULL THEN
          INSERT INTO idempotency_keys VALUES (p_job_id, p_idempotency_key, p_call_id, p_request_hash);
        END IF;
        INSERT INTO calls (call_id, receipt_id, job_id, state, owner, kind, model, provider_id, tariff_hash, hold_nano,
                           request_hash, proof_hash, idempotency_key, held_at_ms)
        VALUES (p_call_id, p_receipt_id, p_job_id, 'held', p_owner, p_kind, p_model, p_provider_id, p_tariff_hash,
                p_hold_nano, p_request_hash, p_proof_hash, p_idempotency_key, p_now_ms);
        INSERT INTO running_calls (call_id, job_id, owner) VALUES (p_call_id, p_job_id, p_owner);
        RETURN 'held';
      END IF;
    EXCEPTION WHEN unique_violation THEN
      -- hold_calls below says which of them it was.
      NULL;
    END;
  END IF;
  SELECT coalesce(h.outcomes[1], 'held'), h.holds_nano[1] INTO v_outcome, v_held_nano
    FROM hold_calls(p_now_ms, p_owner, p_proof_memory_ms, ARRAY[p_call_id], ARRAY[p_receipt_id], ARRAY[p_job_id],
                    ARRAY[p_kind], ARRAY[p_model], ARRAY[p_provider_id], ARRAY[p_tariff_hash], ARRAY[p_hold_nano],
                    ARRAY[p_floor_nano], ARRAY[p_request_hash], ARRAY[p_proof_hash], ARRAY[p_idempotency_key],
                    ARRAY[p_jti_hash]) h;
  RETURN CASE WHEN v_outcome = 'held' AND v_held_nano <> p_hold_nano THEN 'held ' || v_held_nano ELSE v_outcome END;
END $$;

-- capture_calls for one call: false when another writer moved the feed's head first, TAC01 when the call is not open.
CREATE FUNCTION capture_call(
  p_gateway bytea, p_expected_seq bigint, p_now_ms bigint, p_event text, p_hash bytea,
  p_call_id bytea, p_job_id bytea, p_cost_nano bigint, p_metered_units text, p_response_hash bytea, p_outcome text,
  p_answer_status bigint, p_answer_headers text, p_answer_body bytea
) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_provider text;
  v_hold_nano bigint;
  v_key text;
  v_rest_nano bigint;
  v_number bigint;
  v_link bytea;
  v_windows bigint[];
BEGIN
  UPDATE feed_heads SET seq = p_expected_seq + 1, hash = p_hash, recorded_at_ms = p_now_ms
   WHERE gateway = p_gateway AND seq = p_expected_seq;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO feed_events (gateway, seq, event, hash) VALUES (p_gateway, p_expected_seq + 1, p_event::json, p_hash);
  UPDATE calls
     SET state = 'captured', cost_nano = p_cost_nano, metered_units = p_metered_units::jsonb,
         response_hash = p_response_hash, outcome = p_outcome, feed_gateway = p_gateway, feed_seq = p_expected_seq + 1,
         ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL
   WHERE call_id = p_call_id AND job_id = p_job_id AND state IN ('held', 'delivered')
  RETURNING 'provider:' || provider_id, hold_nano, idempotency_key INTO v_provider, v_hold_nano, v_key;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'call is not open' USING ERRCODE = 'TAC01', DETAIL = encode(p_call_id, 'hex');
  END IF;
  IF v_key IS NOT NULL THEN
    INSERT INTO answers VALUES (p_call_id, p_answer_status, p_answer_headers::jsonb, p_answer_body, store_now_ms());
  END IF;
  v_rest_nano := v_hold_nano - p_cost_nano;
  UPDATE jobs j
     SET held_nano = j.held_nano - v_hold_nano, spent_nano = j.spent_nano + p_cost_nano,
         receipt_count = j.receipt_count + 1, ledger_count = j.ledger_count + CASE WHEN v_rest_nano > 0 THEN 2 ELSE 1 END,
         ledger_hash = sha256(j.ledger_hash || convert_to(
           ledger_text(p_job_id, j.ledger_count + 1, p_call_id, 'capture', 'held', v_provider, p_cost_nano, p_now_ms)
           || CASE WHEN v_rest_nano > 0 THEN
                ledger_text(p_job_id, j.ledger_count + 2, p_call_id, 'release', 'held', 'available', v_rest_nano, p_now_ms)
              ELSE '' END, 'UTF8'))
   WHERE j.job_id = p_job_id RETURNING j.ledger_count, j.ledger_hash INTO v_number, v_link;
  IF v_rest_nano > 0 THEN
    INSERT INTO ledger_entries (job_id, entry_number, call_id, kind, debit_account, credit_account, amount_nano,
                                recorded_at_ms, hash)
    VALUES (p_job_id, v_number - 1, p_call_id, 'capture', 'held', v_provider, p_cost_nano, p_now_ms, NULL),
           (p_job_id, v_number, p_call_id, 'release', 'held', 'available', v_rest_nano, p_now_ms, v_link);
  ELSE
    INSERT INTO ledger_entries (job_id, entry_number, call_id, kind, debit_account, credit_account, amount_nano,
                                recorded_at_ms, hash)
    VALUES (p_job_id, v_number, p_call_id, 'capture', 'held', v_provider, p_cost_nano, p_now_ms, v_link);
  END IF;
  DELETE FROM running_calls WHERE call_id = p_call_id RETURNING budget_windows INTO v_windows;
  IF v_windows IS NOT NULL THEN
    PERFORM budget_end_calls(ARRAY[ROW(v_windows, v_hold_nano, p_cost_nano)::budget_end]);
  END IF;
  RETURN true;
END $$;

-- Gives a whole hold back, uncharged, and frees the idempotency key; false when the call was no longer open.
CREATE OR REPLACE FUNCTION release_call(p_call_id bytea, p_outcome text, p_now_ms bigint)
RETURNS boolean LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  c calls;
  v_windows bigint[];
BEGIN
  UPDATE calls
     SET state = 'released', outcome = p_outcome, ended_at_ms = p_now_ms, proof = NULL, usage_auth = NULL,
         released_as = CASE WHEN idempotency_key IS NULL THEN '' ELSE call_id END
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

DO $$ BEGIN RAISE EXCEPTION 'the checks of before are not kept'; END $$;
