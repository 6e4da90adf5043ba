"""Each retraining, state by state: what it was made on, and what came of it."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = """
CREATE TABLE streamflow.retraining (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    model text NOT NULL,
    evidence_digest text NOT NULL,
    as_of timestamptz NOT NULL,
    label_as_of timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('started', 'trained', 'promoted', 'refused')),
    version integer,
    why text NOT NULL
);
CREATE INDEX ON streamflow.retraining (model, evidence_digest, id);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.retraining
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.retraining TO streamflow_writer;
GRANT SELECT ON streamflow.retraining TO streamflow_maintenance;
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(STATEMENTS)
