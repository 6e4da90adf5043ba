-- The statements of change_evidence.py that are not composed of identifiers.

-- select_raw_columns --
-- The columns that a raw table has now.
SELECT column_name::text
FROM information_schema.columns
WHERE table_schema = 'raw' AND table_name = %s

-- select_tombstones --
-- The digests of a revision before and after each erasure on request, the oldest first.
SELECT old_digest, new_digest
FROM streamflow.erasure
WHERE table_name = %s AND as_of = %s AND revision = %s
ORDER BY id
