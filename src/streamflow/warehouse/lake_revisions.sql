-- The statements of lake_revisions.py that are not composed of identifiers.

-- select_lake_revisions --
-- The revisions whose rows lie in the lake.
SELECT table_name, as_of, revision, snapshot_id
FROM streamflow.lake_revision
ORDER BY table_name, as_of, revision

-- insert_lake_revision --
-- Record where the rows of a new revision lie.
INSERT INTO streamflow.lake_revision
    (table_name, as_of, revision, snapshot_id, label, positives)
VALUES (%s, %s, %s, %s, %s, %s)

-- update_lake_revision --
-- Record where the rows lie that remain of a revision after an erasure.
UPDATE streamflow.lake_revision
SET snapshot_id = %s, positives = positives - %s
WHERE (table_name, as_of, revision) = (%s, %s, %s)

-- select_tables_of_lake --
-- The tables that have revisions in the lake.
SELECT DISTINCT table_name
FROM streamflow.lake_revision
ORDER BY 1

-- select_has_lake_tables --
-- Whether the lake has an Iceberg table.
SELECT EXISTS (SELECT FROM lake.iceberg_tables)

-- select_has_catalog --
-- Whether the database was migrated since there are lakes.
SELECT to_regclass('lake.iceberg_tables') IS NOT NULL

-- try_lock_loaded_rows --
-- Keep the loaded rows for this transaction if no command needs them.
SELECT pg_try_advisory_xact_lock(%s)
