-- Up Migration

-- hold_call as before, but that it says when the hold is taken: when all that can refuse it has been asked, and nobody else
-- can take the same credit. What is left is two rows that no constraint can refuse, and the commit, together as long as what
-- came before. Who asked may use that time, but must hear the answer too before anything comes of it. A notice is sent at once,
-- and only to clients that listen at this level, as they do by default.
CREATE OR REPLACE FUNCTION hold_call(
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
        v_outcome := 'held';
      END IF;
    EXCEPTION WHEN unique_violation THEN
      -- hold_calls below says which of them it was.
      NULL;
    END;
    IF v_outcome = 'held' THEN
      RAISE NOTICE 'held' USING ERRCODE = 'TAC02';
      INSERT INTO ledger_entries (job_id, entry_number, call_id, kind, debit_account, credit_account, amount_nano,
                                  recorded_at_ms, hash)
      VALUES (p_job_id, v_number, p_call_id, 'hold', 'available', 'held', p_hold_nano, p_now_ms, v_hash);
      INSERT INTO running_calls (call_id, job_id, owner) VALUES (p_call_id, p_job_id, p_owner);
      RETURN v_outcome;
    END IF;
  END IF;
  SELECT coalesce(h.outcomes[1], 'held'), h.holds_nano[1] INTO v_outcome, v_held_nano
    FROM hold_calls(p_now_ms, p_owner, p_proof_memory_ms, ARRAY[p_call_id], ARRAY[p_receipt_id], ARRAY[p_job_id],
                    ARRAY[p_kind], ARRAY[p_model], ARRAY[p_provider_id], ARRAY[p_tariff_hash], ARRAY[p_hold_nano],
                    ARRAY[p_floor_nano], ARRAY[p_request_hash], ARRAY[p_proof_hash], ARRAY[p_idempotency_key],
                    ARRAY[p_jti_hash]) h;
  RETURN CASE WHEN v_outcome = 'held' AND v_held_nano <> p_hold_nano THEN 'held ' || v_held_nano ELSE v_outcome END;
END $$;

-- Down Migration

DO $$ BEGIN RAISE EXCEPTION 'hold_call of before is in 0014'; END $$;
