-- The statements of tables.py that are not composed of identifiers.

-- select_columns --
-- The columns of every table in some schemas, with their SQL types.
SELECT table_schema, table_name, column_name, data_type
FROM information_schema.columns
WHERE table_schema = ANY(%s)
ORDER BY ordinal_position

-- select_column_comments --
-- The comment of each column of a table: how a computed column is computed.
SELECT attname, col_description(attrelid, attnum)
FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0

-- select_raw_key_columns --
-- The number of columns in the primary key of each raw table.
SELECT c.relname, i.indnkeyatts
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'raw' AND i.indisprimary
ORDER BY 1

-- select_overview_comment --
-- The comment of the view of the drops: the label for which it was made.
SELECT obj_description(to_regclass('streamflow.drop_overview'), 'pg_class')
