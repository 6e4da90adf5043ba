"""What the dashboards may read: no key, no feature, nobody's name."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = """
-- the answers without whom they are about; a view reads as its owner, so the reader needs nothing below it
CREATE VIEW streamflow.prediction_overview AS
    SELECT at, as_of, model, version, probability, prediction, threshold,
           (SELECT count(*) FROM jsonb_each(features) f WHERE f.value = 'null')::integer AS missing_features
    FROM streamflow.prediction_log;

GRANT USAGE ON SCHEMA streamflow TO streamflow_reader;
GRANT SELECT ON streamflow.prediction_overview TO streamflow_reader, streamflow_writer;
GRANT SELECT (table_name, as_of, revision, known_at, rows) ON streamflow.revision TO streamflow_reader;
GRANT SELECT (at, model, version, stage, replaced, forced) ON streamflow.promotion TO streamflow_reader;
"""


def upgrade() -> None:
    """Create and grant it. `streamflow.drop_overview` depends on the catalog: see warehouse/tables.py."""
    op.execute(STATEMENTS)
