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

-- select_tables_with_key --
-- The tables of some schemas that have the key column.
SELECT table_schema, table_name
FROM information_schema.columns
WHERE table_schema = ANY(%s) AND column_name = %s
ORDER BY 1, 2

-- delete_logged_predictions --
-- Delete the logged predictions of a key, of an instant or later. All writers use one clock; the
-- hour allows for a clock that was set back.
DELETE FROM streamflow.prediction_log
WHERE key = %s AND at >= %s::timestamptz - interval '1 hour'

-- select_clock --
-- The database's clock.
SELECT clock_timestamp()

-- delete_scores --
-- Delete the scores of a key.
DELETE FROM streamflow.score
WHERE key = %s

-- erase_from_inbox_errors --
-- Replace a key in the errors of the inbox: a violation quotes the value that it found.
UPDATE streamflow.inbox
SET error = replace(error, %(quoted)s, %(erased)s)
WHERE strpos(error, %(quoted)s) > 0

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

-- count_forgotten_keys --
-- How many keys were erased on request.
SELECT count(DISTINCT key_digest)
FROM streamflow.erasure

-- count_forgotten_in_prediction_log --
-- The logged predictions of keys that were erased at their as_of or later.
SELECT count(*)
FROM streamflow.prediction_log
WHERE streamflow.is_forgotten(key, as_of)

-- count_forgotten_in_score --
-- The scores of keys that were erased at the as_of of their run or later.
SELECT count(*)
FROM streamflow.score AS s JOIN streamflow.score_run AS r ON r.id = s.score_run
WHERE streamflow.is_forgotten(s.key, r.as_of)
