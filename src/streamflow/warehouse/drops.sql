-- The statements of drops.py that are not composed of identifiers. Those with $1 run through ADBC.

-- select_delivered_files --
-- The newest file of each table of each drop, or of one drop.
SELECT DISTINCT ON (as_of, table_name) as_of, table_name, file, sha256, rows, reading
FROM streamflow.drop_file
WHERE %(as_of)s::timestamptz IS NULL OR as_of = %(as_of)s
ORDER BY as_of, table_name, id DESC

-- lock_drop --
-- Wait for the lock of one drop, and hold it until the session frees it.
SELECT pg_advisory_lock(%s, %s)

-- unlock_drop --
-- Free the lock of one drop.
SELECT pg_advisory_unlock(%s, %s)

-- delete_rejected_rows --
-- Forget the rejected rows of one table of a drop, before the drop is loaded again.
DELETE FROM streamflow.reject
WHERE as_of = $1 AND table_name = $2

-- insert_delivered_file --
-- Record the file that the raw rows of one table of a drop come from.
INSERT INTO streamflow.drop_file (as_of, table_name, file, sha256, rows, reading)
VALUES ($1, $2, $3, $4, $5, $6)

-- select_rejected_rows --
-- The rows of a drop that were not loaded.
SELECT table_name, file, line, key, reason, cells
FROM streamflow.reject
WHERE as_of = %s
ORDER BY table_name, line
