-- The statement of provenance.py that is not composed of identifiers.

-- select_revisions --
-- Every frozen revision of a table.
SELECT as_of, revision, known_at
FROM streamflow.revision
WHERE table_name = %s
ORDER BY as_of, revision
