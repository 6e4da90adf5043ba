"""How each delivered file was read: the same bytes in a new format are a new delivery."""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = """
-- Catalog.reading of the catalog that read the file. Empty: strict CSV.
ALTER TABLE streamflow.drop_file ADD COLUMN reading text NOT NULL DEFAULT '';
"""


def upgrade() -> None:
    """Add the column."""
    op.execute(STATEMENTS)
