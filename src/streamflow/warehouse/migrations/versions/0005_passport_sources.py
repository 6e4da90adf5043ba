"""The revisions that a passport names: the database itself refuses that one of them goes."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = """
CREATE TABLE streamflow.passport_source (
    run_id text NOT NULL REFERENCES streamflow.passport,
    table_name text NOT NULL,
    as_of timestamptz NOT NULL,
    revision integer NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (run_id, table_name, as_of, revision),
    FOREIGN KEY (table_name, as_of, revision) REFERENCES streamflow.revision
);
CREATE INDEX ON streamflow.passport_source (table_name, as_of, revision);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.passport_source
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.passport_source TO streamflow_writer;
GRANT SELECT, DELETE ON streamflow.passport_source, streamflow.passport TO streamflow_maintenance;
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(STATEMENTS)
