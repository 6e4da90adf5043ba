-- The statements of drop_pages.py.

-- select_newest_drops --
-- The newest drops before an instant: what was delivered, refused row by row, and frozen.
SELECT d.as_of, f.tables, f.rows, f.deliveries, f.delivered_at, r.rejected, v.revisions, v.known_at
FROM (SELECT as_of FROM streamflow.drop_file
      UNION
      SELECT as_of FROM streamflow.revision) d,
     LATERAL (SELECT count(DISTINCT table_name) AS tables, count(*) AS deliveries,
                     max(ingested_at) AS delivered_at,
                     coalesce(sum(rows) FILTER (WHERE is_newest), 0)::bigint AS rows
              FROM (SELECT table_name, rows, ingested_at,
                           id = max(id) OVER (PARTITION BY table_name) AS is_newest
                    FROM streamflow.drop_file WHERE as_of = d.as_of) files) f,
     LATERAL (SELECT count(*) AS rejected FROM streamflow.reject WHERE as_of = d.as_of) r,
     LATERAL (SELECT count(*) AS revisions, max(known_at) AS known_at
              FROM streamflow.revision WHERE as_of = d.as_of) v
WHERE %(below_day)s::timestamptz IS NULL OR d.as_of < %(below_day)s
ORDER BY d.as_of DESC
LIMIT %(limit)s

-- select_deliveries --
-- Every file that was delivered for a drop, the newest first.
SELECT table_name AS "table", file, rows, sha256, reading <> '' AS has_own_format,
       ingested_at AS delivered_at
FROM streamflow.drop_file
WHERE as_of = %s
ORDER BY id DESC

-- select_drop_revisions --
-- Every revision of a drop, with the columns in which it differs from the revision before it.
SELECT n.table_name AS "table", n.revision, n.known_at, n.rows, n.digest,
       p.rows AS former_rows,
       ARRAY(SELECT c.name
             FROM streamflow.revision_column c JOIN streamflow.revision_column o
               ON (o.table_name, o.as_of, o.name) = (c.table_name, c.as_of, c.name)
              AND o.revision = p.revision
             WHERE (c.table_name, c.as_of, c.revision) = (n.table_name, n.as_of, n.revision)
               AND c.buckets <> o.buckets
             ORDER BY c.name) AS changed_columns
FROM streamflow.revision n
LEFT JOIN LATERAL (SELECT revision, rows FROM streamflow.revision
                   WHERE (table_name, as_of) = (n.table_name, n.as_of) AND revision < n.revision
                   ORDER BY revision DESC LIMIT 1) p ON true
WHERE n.as_of = %s
ORDER BY n.table_name, n.revision DESC

-- select_rejects --
-- The first rejected rows of a drop, and how many there are in all.
SELECT file, line, key, reason, count(*) OVER () AS total
FROM streamflow.reject
WHERE as_of = %(as_of)s
ORDER BY table_name, line
LIMIT %(limit)s

-- select_refused_folders --
-- The folders of the inbox that could not be processed, the newest first: of one drop, or of all.
SELECT folder, as_of, error, at
FROM streamflow.inbox
WHERE status = 'failed' AND (%(as_of)s::timestamptz IS NULL OR as_of = %(as_of)s)
ORDER BY at DESC
LIMIT %(limit)s
