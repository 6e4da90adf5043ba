"""The events that webhooks tell of, and each attempt to deliver one; both append-only."""

from alembic import op

revision = "0019"
down_revision = "0017"

STATEMENTS = """
-- what is to be told: it is entered in the transaction of what happened
CREATE TABLE streamflow.webhook_event (
    id text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    type text NOT NULL,
    body text NOT NULL
);
-- each attempt to deliver an event; an event is delivered when one was answered with 200 to 299
CREATE TABLE streamflow.webhook_attempt (
    event_id text NOT NULL REFERENCES streamflow.webhook_event,
    number integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    receiver text NOT NULL,  -- host and port
    status integer,  -- of the answer; null: there was no answer
    problem text NOT NULL,
    PRIMARY KEY (event_id, number)
);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.webhook_event
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.webhook_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.webhook_event, streamflow.webhook_attempt TO streamflow_writer;
GRANT SELECT ON streamflow.webhook_event, streamflow.webhook_attempt TO streamflow_maintenance;
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(STATEMENTS)
