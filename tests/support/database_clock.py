"""Set the clock of one database back or forth, as its own statements see it.

PostgreSQL has no setting for this, and the clock of the machine belongs to everybody. So a function
of the same name stands before PostgreSQL's own in the search path of the database, and in the
defaults of its columns. Functions of ours with a search path of their own go on with the true
clock: they only make months of the prediction log.
"""

from __future__ import annotations

from datetime import timedelta

import psycopg
from psycopg import sql

from streamflow.platform import Platform

CLOCK = """
CREATE SCHEMA fake_clock;
CREATE TABLE fake_clock.difference (value interval NOT NULL);
INSERT INTO fake_clock.difference VALUES ('0');
CREATE FUNCTION fake_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + value FROM fake_clock.difference';
GRANT USAGE ON SCHEMA fake_clock TO PUBLIC;
GRANT SELECT ON fake_clock.difference TO PUBLIC;
"""
DEFAULTS = """
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT fake_clock.clock_timestamp()',
              adrelid::regclass, attname)
FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
WHERE pg_get_expr(adbin, adrelid) = 'clock_timestamp()'
"""


def install_clock(platform: Platform) -> None:
    """Let sessions that begin from now on have a clock that can be set."""
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute(CLOCK)
        for (statement,) in connection.execute(DEFAULTS).fetchall():
            connection.execute(statement)
        database = sql.Identifier(platform.login.database)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET search_path = fake_clock, pg_catalog, public").format(
                database
            )
        )


def set_clock(platform: Platform, difference: timedelta) -> None:
    """Set the clock of the database by so much against the true one."""
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute("UPDATE fake_clock.difference SET value = %s", [difference])
