-- The statement of pool.py.

-- set_statement_timeout --
-- Limit how long each statement of a session may take.
SELECT set_config('statement_timeout', %s, false)
