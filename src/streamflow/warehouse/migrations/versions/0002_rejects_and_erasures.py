"""Rows that were not loaded, and rows that were erased on request."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = """
-- the rows of a drop that --reject-rows kept apart; replaced with the drop
CREATE TABLE streamflow.reject (
    as_of timestamptz NOT NULL,
    table_name text NOT NULL,
    file text NOT NULL,
    line bigint NOT NULL,
    key text,
    reason text NOT NULL,
    cells text NOT NULL
);
CREATE INDEX ON streamflow.reject (as_of, table_name, line);
GRANT SELECT, INSERT, DELETE ON streamflow.reject TO streamflow_writer, streamflow_maintenance;

-- one row per revision out of which a key was taken: the tombstone. The key itself is not kept, only its digest with a secret.
CREATE TABLE streamflow.erasure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    why text NOT NULL,
    key_digest text NOT NULL,
    table_name text NOT NULL,
    as_of timestamptz NOT NULL,
    revision integer NOT NULL,
    old_digest text NOT NULL,
    new_digest text NOT NULL
);
CREATE INDEX ON streamflow.erasure (table_name, as_of, revision);
GRANT SELECT ON streamflow.erasure TO streamflow_writer;
GRANT SELECT, INSERT ON streamflow.erasure TO streamflow_maintenance;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();

ALTER TABLE streamflow.installation ADD COLUMN erasure_secret uuid NOT NULL DEFAULT gen_random_uuid();
GRANT SELECT ON streamflow.installation TO streamflow_maintenance;
GRANT SELECT, DELETE ON streamflow.prediction_log TO streamflow_maintenance;
"""


def upgrade() -> None:
    """Create them."""
    op.execute(STATEMENTS)
