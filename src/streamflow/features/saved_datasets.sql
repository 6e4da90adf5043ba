-- The statements of saved_datasets.py. ADBC runs them, so their parameters are $1, $2, ...

-- split_name --
-- The parts of a table's name as it stands in a query, and the schema of a name without one.
SELECT parse_ident($1) AS parts, current_schema() AS schema

-- describe_target --
-- Whether the current role may create tables in a schema (null: there is none), and the kind of the
-- relation of this name in it, as pg_class names it (null: there is none).
SELECT
    has_schema_privilege(to_regnamespace(quote_ident($1)), 'CREATE') AS may_create,
    (
        SELECT relkind::text FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relname = $2
    ) AS kind
