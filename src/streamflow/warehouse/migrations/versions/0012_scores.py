"""What `score` says of whole drops: a run per evidence, and a row per key."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = """
-- one row per evidence: the same rows, version and rules are the run that is there already. It is entered together with its
-- scores, as the last of that transaction
CREATE TABLE streamflow.score_run (
    id bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    as_of timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    run_id text NOT NULL,  -- MLflow's, that the version comes from
    threshold double precision NOT NULL,
    explained boolean NOT NULL,  -- whether the scores have reasons
    rows bigint NOT NULL,
    flagged bigint NOT NULL,
    missing bigint NOT NULL,  -- rows without a probability
    digest text NOT NULL,  -- of key and probability; a key that is erased later is still in it
    evidence jsonb NOT NULL,
    evidence_digest text NOT NULL UNIQUE
);
CREATE SEQUENCE streamflow.score_run_id;
CREATE INDEX ON streamflow.score_run (model, as_of, id);
CREATE TABLE streamflow.score (
    score_run bigint NOT NULL,  -- no foreign key: it would be checked row by row, a million times
    key text NOT NULL,
    features_as_of timestamptz,  -- of the oldest feature row that was used
    probability double precision,
    prediction smallint,
    missing text,  -- the features that have no value, or one that is too old: why there is no probability
    defaulted text,  -- the features whose default stood in for such a value
    reasons text,  -- JSON
    PRIMARY KEY (score_run, key)
);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.score_run
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.score
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.score_run, streamflow.score TO streamflow_writer;
GRANT USAGE ON SEQUENCE streamflow.score_run_id TO streamflow_writer;
GRANT SELECT, DELETE ON streamflow.score_run, streamflow.score TO streamflow_maintenance;
"""


def upgrade() -> None:
    """Create and grant them."""
    op.execute(STATEMENTS)
