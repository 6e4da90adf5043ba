"""The prediction log by months, with what each answer was read from and by which code; and what `skew` found."""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLE = """
ALTER TABLE streamflow.prediction_log RENAME TO prediction_log_whole;
ALTER SEQUENCE streamflow.prediction_log_id_seq RENAME TO prediction_log_whole_id_seq;

-- a request_id may stand here often: a client sends its own, also when it tries again, and a batch has one for all its rows
CREATE TABLE streamflow.prediction_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id text NOT NULL,
    key text NOT NULL,
    as_of timestamptz NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    run_id text NOT NULL,
    probability double precision NOT NULL,
    prediction smallint NOT NULL,
    threshold double precision NOT NULL,
    features jsonb NOT NULL,
    service text,     -- the feature service that was read
    views jsonb,      -- view -> [as_of, known_at] of the live row; null: the view had none
    defaulted jsonb,  -- the features whose value is a stated default: nothing that was read
    code text,        -- digest of the code that answered
    CONSTRAINT prediction_log_by_month PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE streamflow.prediction_log_default PARTITION OF streamflow.prediction_log DEFAULT;

-- whoever was let read or write it may do so still
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT a.grantee, a.privilege_type, a.is_grantable FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'streamflow.prediction_log_whole'::regclass AND a.grantee <> c.relowner LOOP
        EXECUTE format('GRANT %s ON streamflow.prediction_log TO %s%s', one.privilege_type,
            CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE one.grantee::regrole::text END,
            CASE WHEN one.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.prediction_log
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.prediction_log_default
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT ON streamflow.prediction_log_default TO streamflow_writer, streamflow_maintenance;
"""

# They run as the owner of the log: the writer owns no table that it may only append to. They give up after half a second of
# waiting, which is less than PostgreSQL's deadlock_timeout: an answer that is being logged is never the one that loses.
FUNCTIONS = """
CREATE FUNCTION streamflow.make_prediction_month(first timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE
    name constant text := 'prediction_log_' || to_char(first, 'YYYY_MM');
    next constant timestamptz := first + interval '1 month';
    moved bigint;
BEGIN
    -- Answers wait from here on, before they look which months there are: else one on its way into the default partition
    -- would be refused. The parent comes first, as in every statement on the log, and whole: who has read it and then wants to
    -- write goes before us, where a weaker lock would have both wait for each other.
    LOCK TABLE ONLY streamflow.prediction_log IN ACCESS EXCLUSIVE MODE;
    IF to_regclass('streamflow.' || name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    LOCK TABLE streamflow.prediction_log_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE streamflow.%I (LIKE streamflow.prediction_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format('INSERT INTO streamflow.%I SELECT * FROM streamflow.prediction_log_default WHERE at >= $1 AND at < $2', name)
        USING first, next;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved > 0 THEN  -- nothing leaves the log: the trigger cannot know it
        ALTER TABLE streamflow.prediction_log_default DISABLE TRIGGER frozen;
        DELETE FROM streamflow.prediction_log_default WHERE at >= first AND at < next;
        ALTER TABLE streamflow.prediction_log_default ENABLE TRIGGER frozen;
    END IF;
    EXECUTE format('ALTER TABLE streamflow.prediction_log ATTACH PARTITION streamflow.%I FOR VALUES FROM (%L) TO (%L)',
        name, first, next);
    EXECUTE format('CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.%I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change()', name);
    EXECUTE format('GRANT SELECT ON streamflow.%I TO streamflow_writer, streamflow_maintenance', name);
    RETURN moved;
END $$;

-- this month, the next ones, and those of which rows lie in the default partition: which of them lack, and were made
CREATE FUNCTION streamflow.make_prediction_months(ahead integer) RETURNS TABLE (month text, moved bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    this_month constant timestamptz := date_trunc('month', clock_timestamp());
    first timestamptz;
    wanted timestamptz[];
BEGIN
    SELECT array_agg(m ORDER BY m) INTO wanted FROM (
        SELECT m FROM generate_series(this_month, this_month + make_interval(months => ahead), interval '1 month') m
        UNION SELECT date_trunc('month', at) FROM streamflow.prediction_log_default) w
        WHERE to_regclass('streamflow.prediction_log_' || to_char(m, 'YYYY_MM')) IS NULL;
    FOREACH first IN ARRAY coalesce(wanted, '{}') LOOP
        month := to_char(first, 'YYYY_MM');
        moved := streamflow.make_prediction_month(first);
        IF moved IS NOT NULL THEN  -- else another process was faster
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION streamflow.drop_prediction_month(month text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE
    name constant text := 'prediction_log_' || month;
    gone bigint;
BEGIN
    IF month !~ '^[0-9]{4,}_[0-9]{2}$' THEN
        RAISE EXCEPTION '% is no month of the prediction log', month USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOCK TABLE ONLY streamflow.prediction_log IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT count(*) FROM streamflow.%I', name) INTO gone;
    EXECUTE format('DROP TABLE streamflow.%I', name);
    RETURN gone;
END $$;

REVOKE ALL ON FUNCTION streamflow.make_prediction_month, streamflow.make_prediction_months, streamflow.drop_prediction_month
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION streamflow.make_prediction_months TO streamflow_writer;
GRANT EXECUTE ON FUNCTION streamflow.drop_prediction_month TO streamflow_maintenance;
"""

ROWS = """
SELECT streamflow.make_prediction_month(m) FROM (SELECT DISTINCT date_trunc('month', at, 'UTC') AS m
    FROM streamflow.prediction_log_whole) months;
INSERT INTO streamflow.prediction_log (id, at, request_id, key, as_of, model, version, run_id, probability, prediction,
    threshold, features) OVERRIDING SYSTEM VALUE
    SELECT id, at, request_id, key, as_of, model, version, run_id, probability, prediction, threshold, features
    FROM streamflow.prediction_log_whole ORDER BY id;
SELECT setval(pg_get_serial_sequence('streamflow.prediction_log', 'id'), last_value, is_called)
    FROM streamflow.prediction_log_whole_id_seq;
SELECT streamflow.make_prediction_months(3);

-- replaced and not made anew: who may read it may do so still
CREATE OR REPLACE VIEW streamflow.prediction_overview AS
    SELECT at, as_of, model, version, probability, prediction, threshold,
           (SELECT count(*) FROM jsonb_each(features) f WHERE f.value = 'null')::integer AS missing_features
    FROM streamflow.prediction_log;
DROP TABLE streamflow.prediction_log_whole;
"""

SKEW = """
-- one row per run of `skew`: numbers of values by cause, and no key
CREATE TABLE streamflow.skew_report (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    since timestamptz,
    sampled bigint NOT NULL,
    not_comparable bigint NOT NULL,
    compared bigint NOT NULL,
    stale bigint NOT NULL,
    late bigint NOT NULL,
    type bigint NOT NULL,
    code bigint NOT NULL,
    unexplained bigint NOT NULL,
    probabilities bigint NOT NULL,
    probabilities_differ bigint NOT NULL
);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.skew_report
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.skew_report TO streamflow_writer;
GRANT SELECT ON streamflow.skew_report TO streamflow_maintenance, streamflow_reader;
"""


def upgrade() -> None:
    """Make the months of all that is logged, move it there, and make the next ones."""
    for statements in (TABLE, FUNCTIONS, ROWS, SKEW):
        op.execute(statements)
