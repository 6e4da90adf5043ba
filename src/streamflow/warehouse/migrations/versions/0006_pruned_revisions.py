"""Revisions that were pruned: what was known in their time is not answered from an older one."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = """
CREATE TABLE streamflow.pruned (
    table_name text NOT NULL,
    as_of timestamptz NOT NULL,
    revision integer NOT NULL,
    known_at timestamptz NOT NULL,
    pruned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_name, as_of, revision)
);
GRANT SELECT ON streamflow.pruned TO streamflow_writer;
GRANT SELECT, INSERT ON streamflow.pruned TO streamflow_maintenance;
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(STATEMENTS)
