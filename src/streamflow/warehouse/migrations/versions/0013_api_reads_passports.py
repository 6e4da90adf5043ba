"""The API compares the passport of a version with the digest that our database has."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Let the role of the API read which digest the passport of each run has."""
    op.execute("GRANT SELECT (run_id, digest) ON streamflow.passport TO streamflow_api")
