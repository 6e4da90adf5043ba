"""The inbox: what became of each folder of drops."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = """
-- one row per folder of the inbox: the content that was last processed, and how that ended
CREATE TABLE streamflow.inbox (
    folder text PRIMARY KEY,
    digest text NOT NULL,
    as_of timestamptz,
    status text NOT NULL CHECK (status IN ('done', 'failed')),
    error text NOT NULL DEFAULT '',
    at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON streamflow.inbox TO streamflow_writer;
"""


def upgrade() -> None:
    """Create it."""
    op.execute(STATEMENTS)
