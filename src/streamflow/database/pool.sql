-- The statement of pool.py.

-- configure_session --
-- Limit how long each statement of a session may take, and plan each prepared statement once. By
-- itself PostgreSQL would plan the SELECT of the live features for every turn, which takes longer
-- than to run it: it knows the number of keys only from the parameter.
SELECT set_config('statement_timeout', %s, false),
    set_config('plan_cache_mode', 'force_generic_plan', false)
