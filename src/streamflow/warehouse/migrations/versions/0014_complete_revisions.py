"""A complete revision accepts no more rows; what was forgotten does not come back beside a writer.

The trigger of a frozen table takes the lock RAW_AND_FROZEN_ROWS of `streamflow.database.locks`, so
no row can be inserted while a revision is being entered. The triggers of the prediction log take
the lock FORGETTING.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

COMPLETE = """
-- After an INSERT into a frozen table: refuses rows of a revision that is entered already.
CREATE FUNCTION streamflow.refuse_rows_of_complete_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    complete record;
BEGIN
    IF current_user = 'streamflow_maintenance' THEN
        RETURN NULL;
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'rows of %.% can be inserted only in a transaction of isolation level'
            ' READ COMMITTED', TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(7590002);
    SELECT r.as_of, r.revision INTO complete
    FROM streamflow.revision r
    WHERE r.table_name = TG_TABLE_NAME
      AND (r.as_of, r.revision) IN (SELECT n.as_of, n.revision FROM new_rows n)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'rows of %.% are frozen: revision % of % is complete,'
            ' INSERT is refused to role %', TG_TABLE_SCHEMA, TG_TABLE_NAME, complete.revision,
            to_char(complete.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD'), current_user
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;

-- After an INSERT of a revision: its rows must be there, and no other ones.
CREATE FUNCTION streamflow.require_counted_rows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row_count bigint;
BEGIN
    IF current_user = 'streamflow_maintenance' THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT count(*) FROM frozen.%I WHERE as_of = $1 AND revision = $2',
                   NEW.table_name)
    INTO row_count USING NEW.as_of, NEW.revision;
    IF row_count <> NEW.rows THEN
        RAISE EXCEPTION 'frozen.% has % rows of revision % of %, and the revision says %',
            NEW.table_name, row_count, NEW.revision,
            to_char(NEW.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD'), NEW.rows
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER counted AFTER INSERT ON streamflow.revision
    FOR EACH ROW EXECUTE FUNCTION streamflow.require_counted_rows();

DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'frozen' LOOP
        EXECUTE format('CREATE TRIGGER complete AFTER INSERT ON frozen.%I'
            ' REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT'
            ' EXECUTE FUNCTION streamflow.refuse_rows_of_complete_revision()', one.tablename);
    END LOOP;
END $$;
"""

FORGOTTEN = """
CREATE INDEX erasure_by_key ON streamflow.erasure (key_digest);

-- Whether a key was erased on request at an instant or later: a row of that instant must not be
-- written. `find_forgotten_keys` of warehouse/erasures.py is the same rule for many keys.
CREATE FUNCTION streamflow.is_forgotten(key text, as_of timestamptz) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM streamflow.erasure e CROSS JOIN streamflow.installation i
                   WHERE e.key_digest = encode(sha256(uuid_send(i.erasure_secret) || '\\x00'::bytea
                                                      || convert_to($1, 'UTF8')), 'hex')
                     AND e.at >= $2)
$$;
REVOKE ALL ON FUNCTION streamflow.is_forgotten FROM PUBLIC;
GRANT EXECUTE ON FUNCTION streamflow.is_forgotten TO streamflow_writer, streamflow_maintenance;

-- Before an INSERT: waits while `forget` erases what is live, and lets `forget` wait for the rows.
CREATE FUNCTION streamflow.wait_for_forgetting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7590007);
    RETURN NULL;
END $$;

-- After an INSERT: refuses the answer for a key that was forgotten since it was read.
CREATE FUNCTION streamflow.refuse_forgotten_keys() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM streamflow.erasure)
       AND EXISTS (SELECT FROM new_rows n WHERE streamflow.is_forgotten(n.key, n.as_of)) THEN
        RAISE EXCEPTION 'a key was forgotten while it was answered'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER waiting BEFORE INSERT ON streamflow.prediction_log
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.wait_for_forgetting();
CREATE TRIGGER forgotten AFTER INSERT ON streamflow.prediction_log
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_forgotten_keys();
"""


def upgrade() -> None:
    """Create the functions, and the triggers of the tables that exist."""
    op.execute(COMPLETE)
    op.execute(FORGOTTEN)
