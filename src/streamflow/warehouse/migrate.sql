-- The statements of migrate.py that are not composed of identifiers.

-- create_schema --
-- The schema of the fixed tables. Alembic keeps its own table in it.
CREATE SCHEMA IF NOT EXISTS streamflow

-- show_encoding --
-- The encoding of the database.
SHOW server_encoding
