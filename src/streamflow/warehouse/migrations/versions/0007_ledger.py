"""The ledger as a chain of hashes, the intent of a move that is being made, and the promotions until now as its first entries."""

from alembic import op
from sqlalchemy import text

from streamflow.core.promotion.ledger import FIRST_HASH, Entry

revision = "0007"
down_revision = "0006"

STATEMENTS = """
CREATE TABLE streamflow.ledger (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    who text NOT NULL,
    model text NOT NULL,
    action text NOT NULL,
    stage text NOT NULL,
    from_version integer,
    to_version integer,
    since timestamptz NOT NULL,
    forced boolean NOT NULL,
    why text NOT NULL,
    evidence_digest text NOT NULL,
    evidence text NOT NULL,
    previous text NOT NULL,
    hash text NOT NULL
);

-- what a promotion is about to do: it is completed after a crash
CREATE TABLE streamflow.pending_move (
    model text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    action text NOT NULL,
    stage text NOT NULL,
    version integer NOT NULL,
    forced boolean NOT NULL,
    why text NOT NULL,
    evidence text NOT NULL
);
GRANT SELECT, INSERT ON streamflow.ledger TO streamflow_writer;
GRANT SELECT, INSERT, DELETE ON streamflow.pending_move TO streamflow_writer;
GRANT SELECT ON streamflow.ledger, streamflow.pending_move TO streamflow_maintenance;
"""

AFTER = """
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON streamflow.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();
DROP TABLE streamflow.promotion;
-- who holds a stage, for dashboards
CREATE VIEW streamflow.promotion AS
    SELECT seq AS id, at, who, model, to_version AS version, stage, from_version AS replaced, forced, why
    FROM streamflow.ledger
    WHERE (action = 'promoted' OR action = 'rolled back' OR action = 'outside') AND to_version IS NOT NULL;
GRANT SELECT ON streamflow.promotion TO streamflow_writer;
GRANT SELECT (at, model, version, stage, replaced, forced) ON streamflow.promotion TO streamflow_reader;
"""


def upgrade() -> None:
    """Create the tables, and enter what is known."""
    op.execute(STATEMENTS)
    connection, previous = op.get_bind(), FIRST_HASH
    rows = connection.execute(
        text(
            "SELECT at, who, model, version, stage, replaced, forced, why FROM streamflow.promotion ORDER BY id"
        )
    )
    for seq, (at, who, model, version, stage, replaced, forced, why) in enumerate(
        rows.fetchall(), 1
    ):
        entry = Entry(
            seq=seq, at=at, who=who, model=model, action="promoted", stage=stage, from_version=replaced, to_version=version,
            since=at, forced=forced, why=why, evidence_digest="", evidence="", previous=previous,
        )  # fmt: skip
        previous = entry.content_hash
        names = [name for name in vars(entry) if name != "hash"]
        statement = (
            f"INSERT INTO streamflow.ledger ({', '.join(names)}, hash)"  # noqa: S608  # names of our own
            f" VALUES ({', '.join(':' + n for n in names)}, :hash)"
        )
        connection.execute(text(statement), {**vars(entry), "hash": previous})
    op.execute(AFTER)
