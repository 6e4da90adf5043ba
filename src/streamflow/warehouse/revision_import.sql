-- The statements of revision_import.py that are not composed of identifiers.

-- select_revisions_of_drop --
-- The revisions of one table of a drop that are frozen here.
SELECT revision, known_at, digest
FROM streamflow.revision
WHERE table_name = %s AND as_of = %s

-- select_versions_of_passport --
-- The runs and versions that were registered here with one passport.
SELECT run_id, version
FROM streamflow.passport
WHERE digest = %s
ORDER BY version
