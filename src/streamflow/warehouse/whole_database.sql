-- The statements of whole_database.py that are not composed of identifiers.

-- drop_tables_of_mlflow --
-- Drop all tables and routines in `public` that belong to the user that logs in.
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tableowner = current_user LOOP
        EXECUTE format('DROP TABLE public.%I CASCADE', one.tablename);
    END LOOP;
    FOR one IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole LOOP
        EXECUTE format('DROP ROUTINE %s CASCADE', one.name);
    END LOOP;
END $$;

-- select_ordinary_tables --
-- The tables of some schemas. A partitioned table is left out, and its partitions are not.
SELECT relnamespace::regnamespace::text, relname
FROM pg_class
WHERE relkind = 'r'
  AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY(%s))
ORDER BY 1, 2

-- select_schemas_except --
-- The schemas that neither PostgreSQL nor a given list names.
SELECT nspname
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> ALL(%s)

-- select_foreign_roles --
-- The roles that have rights on some schemas or on what is in them, without our own roles.
SELECT DISTINCT r.rolname::text
FROM pg_shdepend d
     JOIN pg_roles r ON r.oid = d.refobjid
     LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
     JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, d.objid)
WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND d.deptype = 'a'
  AND d.refclassid = 'pg_authid'::regclass
  AND d.classid IN ('pg_class'::regclass, 'pg_namespace'::regclass)
  AND n.nspname = ANY(%s) AND r.rolname <> ALL(%s)
ORDER BY 1

-- select_roles --
-- All roles of the server.
SELECT rolname::text
FROM pg_roles

-- select_existing_schemas --
-- Those of some schemas that exist.
SELECT nspname::text
FROM pg_namespace
WHERE nspname = ANY(%s)
ORDER BY 1

-- select_tables --
-- The tables in some schemas.
SELECT format('%%s.%%s', schemaname, tablename)
FROM pg_tables
WHERE schemaname = ANY(%s)
ORDER BY 1

-- select_schema_exists --
-- Whether a schema exists.
SELECT to_regnamespace(%s) IS NOT NULL
