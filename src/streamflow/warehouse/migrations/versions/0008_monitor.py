"""The reports of `monitor`, append-only, and what dashboards may read of them."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = """
-- one row per evidence: the same version, revisions, answers and settings give the report that is there already
CREATE TABLE streamflow.monitor_report (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    as_of timestamptz NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    mlflow_run_id text NOT NULL,
    evidence_digest text NOT NULL UNIQUE,
    fires boolean NOT NULL,
    verdict text NOT NULL,
    reasons jsonb NOT NULL,
    auc double precision,  -- on hold-out users, now; null while the labels are not there
    auc_at_training double precision,
    positive_share double precision,
    report jsonb NOT NULL
);
CREATE INDEX ON streamflow.monitor_report (model, as_of, id);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.monitor_report
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.monitor_report TO streamflow_writer;
GRANT SELECT ON streamflow.monitor_report TO streamflow_maintenance;
GRANT SELECT (id, at, as_of, model, version, fires, verdict, auc, auc_at_training, positive_share) ON streamflow.monitor_report
    TO streamflow_reader;

-- numbers of each feature and no value of any: a view reads as its owner, so the reader needs nothing below it
CREATE VIEW streamflow.drift_overview AS
    SELECT r.id, r.at, r.as_of, r.model, r.version, f.value ->> 'name' AS feature, (f.value ->> 'psi')::double precision AS psi,
           (f.value -> 'missing' ->> 'current')::double precision AS missing, f.value -> 'reasons' <> '[]' AS drifted
    FROM streamflow.monitor_report r, jsonb_array_elements(r.report -> 'features') f;
GRANT SELECT ON streamflow.drift_overview TO streamflow_reader, streamflow_writer;
"""


def upgrade() -> None:
    """Create and grant them."""
    op.execute(STATEMENTS)
