-- The statements of tables.py that are not composed of identifiers.

-- select_columns --
-- The columns of every table in some schemas, with their SQL types.
SELECT table_schema, table_name, column_name, data_type
FROM information_schema.columns
WHERE table_schema = ANY(%s)
ORDER BY ordinal_position

-- select_column_comments --
-- The comment of each column of a table: the expression of a derived column.
SELECT attname, col_description(attrelid, attnum)
FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0

-- select_overview_comment --
-- The comment of the view of the drops: the label for which it was made.
SELECT obj_description(to_regclass('streamflow.drop_overview'), 'pg_class')
