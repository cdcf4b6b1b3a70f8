-- Up Migration

-- With arrays as parameters a plan made for the very values always looks cheaper than the general one, so that every
-- statement of every call would be planned anew, which cost more than running it. No plan here depends on the values.
ALTER FUNCTION hold_calls SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION capture_calls SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION ledger_post_all SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION release_call SET plan_cache_mode = force_generic_plan;

-- Down Migration

ALTER FUNCTION hold_calls RESET plan_cache_mode;
ALTER FUNCTION capture_calls RESET plan_cache_mode;
ALTER FUNCTION ledger_post_all RESET plan_cache_mode;
ALTER FUNCTION release_call RESET plan_cache_mode;
