"""The tables that do not depend on the catalog."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE SCHEMA IF NOT EXISTS raw;
CREATE SCHEMA IF NOT EXISTS frozen;
CREATE SCHEMA IF NOT EXISTS history;
CREATE SCHEMA IF NOT EXISTS online AUTHORIZATION streamflow_writer;
CREATE SCHEMA IF NOT EXISTS feast AUTHORIZATION streamflow_writer;
GRANT USAGE ON SCHEMA streamflow, raw, frozen, history TO streamflow_writer, streamflow_maintenance;

CREATE FUNCTION streamflow.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'streamflow_maintenance' THEN
        RAISE EXCEPTION 'rows of %.% are frozen: % is refused to role %', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP, current_user
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;

-- what this installation was migrated to; one row
CREATE TABLE streamflow.installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    catalog_digest text NOT NULL,
    repository_digest text NOT NULL,
    migrated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE ON streamflow.installation TO streamflow_writer;

-- the drop ledger: one row per delivered file; the newest of (as_of, table_name) is what raw holds
CREATE TABLE streamflow.drop_file (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    as_of timestamptz NOT NULL,
    table_name text NOT NULL,
    file text NOT NULL,
    sha256 text NOT NULL,
    rows bigint NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON streamflow.drop_file (as_of, table_name, id);

CREATE TABLE streamflow.revision (
    table_name text NOT NULL,
    as_of timestamptz NOT NULL,
    revision integer NOT NULL,
    known_at timestamptz NOT NULL,
    rows bigint NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (table_name, as_of, revision)
);
CREATE TABLE streamflow.revision_column (
    table_name text NOT NULL,
    as_of timestamptz NOT NULL,
    revision integer NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    buckets bytea NOT NULL,
    PRIMARY KEY (table_name, as_of, revision, name),
    FOREIGN KEY (table_name, as_of, revision) REFERENCES streamflow.revision
);

-- every feature service that was ever defined here; versions name one each
CREATE TABLE streamflow.feature_service (
    name text PRIMARY KEY,
    features jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE streamflow.passport (
    run_id text PRIMARY KEY,
    model text NOT NULL,
    version integer NOT NULL,
    digest text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- the ledger of promotions, append-only
CREATE TABLE streamflow.promotion (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    stage text NOT NULL,
    replaced integer,
    forced boolean NOT NULL,
    why text NOT NULL
);

CREATE TABLE streamflow.prediction_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    features jsonb NOT NULL
);
CREATE INDEX ON streamflow.prediction_log (at);

GRANT SELECT, INSERT ON streamflow.drop_file, streamflow.revision, streamflow.revision_column, streamflow.feature_service,
    streamflow.passport, streamflow.promotion, streamflow.prediction_log TO streamflow_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA streamflow TO streamflow_writer, streamflow_maintenance;
GRANT UPDATE, DELETE ON streamflow.revision, streamflow.revision_column TO streamflow_maintenance;
"""

PROTECTED = ("drop_file", "revision", "revision_column", "passport", "promotion")


def upgrade() -> None:
    """Create them; each append-only table refuses a change as the frozen rows do."""
    op.execute(STATEMENTS)
    for table in PROTECTED:
        op.execute(
            f"CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.{table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change()"
        )
