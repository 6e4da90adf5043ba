-- The statements of database_checks.py.

-- select_clocks --
-- The database's clock, and the newest known_at of all revisions.
SELECT clock_timestamp(), (SELECT max(known_at) FROM streamflow.revision)

-- select_unprotected_tables --
-- The tables of which a trigger is missing, disabled, or calls another function, with the trigger:
-- `frozen` refuses changes, `complete` refuses rows of a complete revision, `counted` refuses a
-- revision without its rows.
SELECT format('%%I.%%I', n.nspname, c.relname), needed.trigger
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN (VALUES ('frozen', 'streamflow.refuse_change'),
                   ('complete', 'streamflow.refuse_rows_of_complete_revision'),
                   ('counted', 'streamflow.require_counted_rows')) AS needed (trigger, function)
WHERE c.relkind IN ('r', 'p')
  AND CASE needed.trigger
      WHEN 'complete' THEN n.nspname = 'frozen'
      WHEN 'counted' THEN n.nspname = 'streamflow' AND c.relname = 'revision'
      ELSE n.nspname = 'frozen'
           OR (n.nspname = 'streamflow'
               AND (c.relname = ANY(%s) OR starts_with(c.relname, 'prediction_log'))) END
  AND NOT EXISTS (SELECT FROM pg_trigger t
                  WHERE t.tgrelid = c.oid AND t.tgname = needed.trigger
                    AND t.tgenabled IN ('O', 'A') AND t.tgfoid = to_regproc(needed.function))
ORDER BY 1, 2

-- select_tables_of_owner --
-- The tables of our append-only schemas that a role owns.
SELECT format('%%I.%%I', schemaname, tablename)
FROM pg_tables
WHERE schemaname IN ('frozen', 'streamflow') AND tableowner = %s
ORDER BY 1

-- select_missing_grants --
-- A GRANT statement for each table of a schema on which a role misses one of the privileges.
SELECT format('GRANT %%s ON %%I.%%I TO %%I',
              %(needed)s::text, schemaname, tablename, %(role)s::text)
FROM pg_tables
WHERE schemaname = %(schema)s
  AND NOT (SELECT bool_and(has_table_privilege(%(role)s::text,
                                               format('%%I.%%I', schemaname, tablename), p))
           FROM unnest(%(privileges)s::text[]) p)
ORDER BY 1

-- select_frozen_columns --
-- The columns of every frozen table, in their order.
SELECT table_name, column_name
FROM information_schema.columns
WHERE table_schema = 'frozen'
ORDER BY 1, ordinal_position

-- select_frozen_tables --
-- Every frozen table, also those that the catalog no longer declares.
SELECT tablename
FROM pg_tables
WHERE schemaname = 'frozen'
ORDER BY 1

-- select_drops_without_revision --
-- The tables that were delivered with a drop and never frozen.
SELECT DISTINCT as_of, table_name
FROM streamflow.drop_file d
WHERE NOT EXISTS (SELECT FROM streamflow.revision r
                  WHERE r.as_of = d.as_of AND r.table_name = d.table_name)
ORDER BY 1, 2
