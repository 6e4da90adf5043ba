-- The statements of unloaded_rows.py.

-- select_unloaded --
-- The revisions of a table that a request may need and whose rows lie in the lake only.
SELECT r.as_of, r.revision
FROM (SELECT table_name, as_of, revision, known_at, rows,
             lead(known_at) OVER (PARTITION BY as_of ORDER BY revision) AS superseded_at
      FROM streamflow.revision WHERE table_name = $1) AS r
JOIN streamflow.lake_revision AS l USING (table_name, as_of, revision)
WHERE r.rows > 0 AND r.as_of BETWEEN $2 AND $3 AND r.known_at <= $4
  AND (r.superseded_at IS NULL OR r.superseded_at > $5)
  AND NOT EXISTS (SELECT FROM {relation} AS f
                  WHERE f.as_of = r.as_of AND f.revision = r.revision)
