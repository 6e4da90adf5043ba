-- The statements of revision_pages.py.

-- select_revisions --
-- The revisions from a place in the list on, those of the newest drop first, each with the columns
-- in which it differs from the revision before it, and the versions whose passports name it.
SELECT n.table_name AS "table", n.as_of, n.revision, n.known_at, n.rows, n.digest,
       p.rows AS former_rows,
       ARRAY(SELECT c.name
             FROM streamflow.revision_column c JOIN streamflow.revision_column o
               ON (o.table_name, o.as_of, o.name) = (c.table_name, c.as_of, c.name)
              AND o.revision = p.revision
             WHERE (c.table_name, c.as_of, c.revision) = (n.table_name, n.as_of, n.revision)
               AND c.buckets <> o.buckets
             ORDER BY c.name) AS changed_columns,
       ARRAY(SELECT DISTINCT passport.version
             FROM streamflow.passport_source s JOIN streamflow.passport passport USING (run_id)
             WHERE (s.table_name, s.as_of, s.revision) = (n.table_name, n.as_of, n.revision)
               AND passport.model = %(model)s
             ORDER BY passport.version DESC
             LIMIT %(versions)s) AS versions
FROM streamflow.revision n
LEFT JOIN LATERAL (SELECT revision, rows FROM streamflow.revision
                   WHERE (table_name, as_of) = (n.table_name, n.as_of) AND revision < n.revision
                   ORDER BY revision DESC LIMIT 1) p ON true
WHERE %(as_of)s::timestamptz IS NULL OR n.as_of < %(as_of)s
   OR (n.as_of = %(as_of)s AND (n.table_name, -n.revision) > (%(table)s, -%(revision)s::integer))
ORDER BY n.as_of DESC, n.table_name, n.revision DESC
LIMIT %(limit)s
