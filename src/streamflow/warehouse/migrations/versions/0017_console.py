"""What the console reads: summaries of scored drops, two indexes, and a role that only reads."""

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS = """
-- what is known of a whole run of `score`, so that no page has to count its rows
CREATE TABLE streamflow.score_summary (
    score_run bigint PRIMARY KEY,
    trained_as_of timestamptz NOT NULL,  -- of the training set of the version
    label_lead integer NOT NULL,  -- how many drops later the labels are, as in training
    expected double precision NOT NULL,  -- the sum of all probabilities
    defaulted bigint NOT NULL,  -- rows in which a default stands for a value
    oldest_as_of timestamptz  -- of the oldest feature row that was used
);
-- the same for each category of each segment column; a null is a category of its own
CREATE TABLE streamflow.score_segment (
    score_run bigint NOT NULL,
    name text NOT NULL,
    value text,
    users bigint NOT NULL,
    answered bigint NOT NULL,
    expected double precision NOT NULL,
    flagged bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (score_run, name, value)
);
-- what became of the users, once their labels came: a row for each tenth of probability
CREATE TABLE streamflow.score_outcome (
    score_run bigint NOT NULL,
    label_as_of timestamptz NOT NULL,
    label_revision integer NOT NULL,
    bin smallint NOT NULL,  -- 0 to 9: the tenth in which the probability lies
    users bigint NOT NULL,
    expected double precision NOT NULL,
    churned bigint NOT NULL,
    PRIMARY KEY (score_run, label_as_of, label_revision, bin)
);
DO $$ DECLARE one text; BEGIN
    FOREACH one IN ARRAY ARRAY['score_summary', 'score_segment', 'score_outcome'] LOOP
        EXECUTE format('CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change()', one);
        EXECUTE format('GRANT SELECT, INSERT ON streamflow.%I TO streamflow_writer', one);
        EXECUTE format('GRANT SELECT, DELETE ON streamflow.%I TO streamflow_maintenance', one);
    END LOOP;
END $$;

-- the users of a run, the highest probability first, page by page
CREATE INDEX score_by_probability ON streamflow.score (score_run, probability, key);
-- all answers about one user
CREATE INDEX prediction_log_by_key ON streamflow.prediction_log (key, at);

GRANT USAGE ON SCHEMA streamflow, frozen, history, online TO streamflow_console;
GRANT SELECT ON ALL TABLES IN SCHEMA streamflow, frozen, history, online TO streamflow_console;
-- the secret with which erased keys are hashed is in it
REVOKE ALL ON streamflow.installation FROM streamflow_console;
ALTER DEFAULT PRIVILEGES FOR ROLE streamflow_writer IN SCHEMA online
    GRANT SELECT ON TABLES TO streamflow_console;
"""


def upgrade() -> None:
    """Create and grant them."""
    op.execute(STATEMENTS)
