"""The API compares the number and the model of a version with the row of its passport."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Let the role of the API read which version of which model each passport belongs to."""
    op.execute("GRANT SELECT (model, version) ON streamflow.passport TO streamflow_api")
