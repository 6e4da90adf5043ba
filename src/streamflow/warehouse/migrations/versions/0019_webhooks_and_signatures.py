"""What webhooks tell, each attempt to deliver it, and signatures of versions; all append-only."""

from alembic import op

revision = "0019"
down_revision = "0018"

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
-- that the holder of a key approved a version, by the digest of its passport
CREATE TABLE streamflow.version_signature (
    run_id text NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    key_id text NOT NULL,  -- the beginning of the sha256 of the public key
    signature text NOT NULL,  -- base64
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, model, version, key_id)
);
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.version_signature
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
GRANT SELECT, INSERT ON streamflow.version_signature TO streamflow_writer;
GRANT SELECT ON streamflow.version_signature TO
    streamflow_api, streamflow_console, streamflow_maintenance;
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
