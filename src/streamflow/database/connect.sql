-- The statements of connect.py that are not composed of identifiers.

-- select_database --
-- One row if a database exists.
SELECT
FROM pg_database
WHERE datname = %s
