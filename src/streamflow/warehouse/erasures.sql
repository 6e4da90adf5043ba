-- The statements of erasures.py that are not composed of identifiers.

-- select_erased_key_digests --
-- The digests of the keys that were erased at or after an instant.
SELECT DISTINCT key_digest
FROM streamflow.erasure
WHERE at >= %s

-- select_frozen_tables --
-- The frozen tables that have the key column, also those that the catalog no longer declares.
SELECT table_name
FROM information_schema.columns
WHERE table_schema = 'frozen' AND column_name = %s
ORDER BY 1

-- update_revision_digest --
-- Replace the digest of a revision by the digest of the rows that remain.
UPDATE streamflow.revision
SET digest = %s, rows = %s
WHERE table_name = %s AND as_of = %s AND revision = %s

-- update_column_digest --
-- Replace the digest of one column of a revision.
UPDATE streamflow.revision_column
SET buckets = %s
WHERE table_name = %s AND as_of = %s AND revision = %s AND name = %s

-- select_live_tables --
-- The raw and online tables that have the key column.
SELECT table_schema, table_name
FROM information_schema.columns
WHERE table_schema IN ('raw', 'online') AND column_name = %s
ORDER BY 1, 2

-- delete_logged_predictions --
-- Delete the logged predictions of a key.
DELETE FROM streamflow.prediction_log
WHERE key = %s

-- delete_scores --
-- Delete the scores of a key.
DELETE FROM streamflow.score
WHERE key = %s

-- delete_rejected_rows --
-- Delete the rejected rows of a key. The key of a row that could not be read is in its cells.
DELETE FROM streamflow.reject
WHERE key = %s OR cells::jsonb ->> %s = %s

-- insert_tombstone --
-- Record that a key was erased, by its digest: the record names no person.
INSERT INTO streamflow.erasure
    (who, why, key_digest, table_name, as_of, revision, old_digest, new_digest)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)

-- select_tombstone --
-- One row if the key with this digest was erased before.
SELECT 1
FROM streamflow.erasure
WHERE key_digest = %s
LIMIT 1

-- select_secret --
-- The secret with which this installation computes the digests of erased keys.
SELECT erasure_secret
FROM streamflow.installation
