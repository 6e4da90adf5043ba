"""Indexes for the pages of the console: how work ended, and the gate's entry about a version."""

from alembic import op

revision = "0021"
down_revision = "0019"

STATEMENTS = """
-- all rows of one job: without it, each row of the page 'Work' reads the whole table
CREATE INDEX console_action_by_job ON streamflow.console_action (job, id);
-- the entries about one version
CREATE INDEX ledger_by_version ON streamflow.ledger (model, to_version, seq);
"""


def upgrade() -> None:
    """Create them."""
    op.execute(STATEMENTS)
