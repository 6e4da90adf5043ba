"""The keys of the API, and the role that it works as: it reads what an answer needs, appends to the prediction log, and no more."""

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = """
-- of a key only the digest of its secret; one that is revoked stays, so that nobody gets its id again
CREATE TABLE streamflow.api_key (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{12}$'),
    name text NOT NULL CHECK (name <> ''),
    scope text NOT NULL CHECK (scope IN ('metrics', 'read', 'predict', 'admin')),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires timestamptz,
    revoked timestamptz
);
CREATE TRIGGER revoked BEFORE UPDATE ON streamflow.api_key
    FOR EACH ROW WHEN (OLD.revoked IS NOT NULL) EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT, UPDATE (revoked) ON streamflow.api_key TO streamflow_writer;

GRANT USAGE ON SCHEMA streamflow, online TO streamflow_api;
GRANT SELECT ON streamflow.alembic_version, streamflow.installation, streamflow.feature_service, streamflow.ledger,
    streamflow.api_key TO streamflow_api;
GRANT INSERT ON streamflow.prediction_log TO streamflow_api;
-- a materialization replaces the live tables by new ones of the writer: those too
GRANT SELECT ON ALL TABLES IN SCHEMA online TO streamflow_api;
ALTER DEFAULT PRIVILEGES FOR ROLE streamflow_writer IN SCHEMA online GRANT SELECT ON TABLES TO streamflow_api;
"""


def upgrade() -> None:
    """Create the table, and grant. What the API reads of MLflow's own database is granted by warehouse/migrate.py."""
    op.execute(STATEMENTS)
