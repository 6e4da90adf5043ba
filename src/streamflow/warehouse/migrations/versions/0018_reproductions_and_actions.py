"""The verdicts of reproductions, and who started which work from a page of the console."""

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = """
-- what 'reproduce' said of a version: the receipt, without a value of a user
CREATE TABLE streamflow.reproduction (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    run_id text NOT NULL,
    code text NOT NULL,  -- 'at hand', or the commit that was run
    result text NOT NULL,
    holds boolean NOT NULL,
    levels jsonb NOT NULL  -- of each level: name, verdict, count, the first differences
);
CREATE INDEX ON streamflow.reproduction (model, version, id);
-- work that a person started from a page: a row when it starts, and one when it has ended
CREATE TABLE streamflow.console_action (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    job text NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,  -- never the key of a user
    state text NOT NULL CHECK (state IN ('started', 'done', 'failed')),
    outcome text NOT NULL
);
DO $$ DECLARE one text; BEGIN
    FOREACH one IN ARRAY ARRAY['reproduction', 'console_action'] LOOP
        EXECUTE format('CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change()', one);
        EXECUTE format('GRANT SELECT, INSERT ON streamflow.%I TO streamflow_writer', one);
        EXECUTE format('GRANT SELECT ON streamflow.%I TO streamflow_maintenance', one);
        EXECUTE format('GRANT SELECT ON streamflow.%I TO streamflow_console', one);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    """Create and grant them."""
    op.execute(STATEMENTS)
