-- The statements of this package that are not composed from parts.

-- newest_drop --
-- The newest revision of each table at the newest as_of at which all of them are frozen.
-- Parameters: tables; table_count; as_of (null: any); known_at (null: revisions of any known_at).
WITH newest AS (
    SELECT DISTINCT ON (table_name, as_of) table_name, as_of, revision, known_at
    FROM streamflow.revision
    WHERE table_name = ANY(%(tables)s)
        AND (%(as_of)s::timestamptz IS NULL OR as_of = %(as_of)s)
        AND (%(known_at)s::timestamptz IS NULL OR known_at <= %(known_at)s)
    ORDER BY table_name, as_of, revision DESC
)
SELECT as_of, table_name, revision, known_at FROM newest
WHERE as_of = (
    SELECT as_of FROM newest GROUP BY as_of HAVING count(*) = %(table_count)s
    ORDER BY as_of DESC LIMIT 1
)

-- live_columns --
-- The columns of a table with their SQL types, in the table's order. No row if there is no table.
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum

-- live_keys --
-- The columns of the primary key of a table. No row if there is no table.
SELECT attname FROM pg_index
JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
WHERE indrelid = to_regclass(%s) AND indisprimary
