-- The statements of reading_pool.py.

-- set_statement_timeout --
-- End a statement that takes longer.
SELECT set_config('statement_timeout', %s, false)

-- set_read_only --
-- Let no transaction of this connection write.
SET default_transaction_read_only = on
