-- The statements of frozen.py that are not composed of identifiers.

-- select_newest_revisions --
-- The newest revision of each table and drop that was known at an instant.
SELECT DISTINCT ON (table_name, as_of) table_name, as_of, revision, known_at, rows, digest
FROM streamflow.revision
WHERE known_at <= %(known_at)s
  AND (%(table)s::text IS NULL OR table_name = %(table)s)
  AND (%(first)s::timestamptz IS NULL OR as_of >= %(first)s)
  AND (%(last)s::timestamptz IS NULL OR as_of <= %(last)s)
ORDER BY table_name, as_of, revision DESC

-- select_all_revisions --
-- Every revision that is frozen.
SELECT table_name, as_of, revision, known_at, rows, digest
FROM streamflow.revision
ORDER BY as_of, table_name, revision

-- select_newest_pruned_revisions --
-- The newest pruned revision of each table and drop that was known at an instant.
SELECT DISTINCT ON (table_name, as_of) table_name, as_of, revision, known_at, 0, ''
FROM streamflow.pruned
WHERE known_at <= %s
ORDER BY table_name, as_of, revision DESC

-- select_revision_columns --
-- The columns of a revision with the digest of each.
SELECT name, type, buckets
FROM streamflow.revision_column
WHERE table_name = %s AND as_of = %s AND revision = %s

-- select_file_of_revision --
-- The file that a revision was frozen from: the newest one at the instant of the revision.
SELECT file, sha256
FROM streamflow.drop_file
WHERE table_name = %s AND as_of = %s AND ingested_at <= %s
ORDER BY id DESC
LIMIT 1

-- select_previous_revision --
-- The newest revision of the drop before a given one.
SELECT as_of, revision
FROM streamflow.revision
WHERE table_name = %s AND as_of < %s
ORDER BY as_of DESC, revision DESC
LIMIT 1
