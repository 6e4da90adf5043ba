-- The statements of dump.py.

-- set_timeouts_off --
-- Switch off those of some time limits that this server has, until the transaction ends.
SELECT set_config(name, '0', true)
FROM pg_settings
WHERE name = ANY(%s)

-- export_snapshot --
-- The name with which a different session can see the state that this transaction sees.
SELECT pg_export_snapshot()
