"""The prediction log by months.

No row is refused, lost or changed while months are made and dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event

import psycopg
import pytest
from support.chain import database_digest

from streamflow.database import connect
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate
from streamflow.steps.upkeep.doctor.contents import check_prediction_log
from streamflow.steps.upkeep.doctor.server import check_protection
from streamflow.steps.upkeep.prune import prune
from streamflow.warehouse.prediction_log_months import (
    LogMonth,
    create_months,
    drop_month,
    months_before,
)

INSERT = (
    "INSERT INTO streamflow.prediction_log (at, request_id, key, as_of, model,"
    " version, run_id, probability, prediction, threshold,"
    " features) VALUES (coalesce(%s::timestamptz, clock_timestamp()),"
    " %s, 'k', now(), 'm', 1, 'r', 0.25, 0, 0.5, '{}')"
)
PLACES = (
    "SELECT tableoid::regclass::text, count(*) FROM streamflow.prediction_log GROUP BY 1 ORDER BY 1"
)


def this_month() -> str:
    return f"{datetime.now(UTC):%Y_%m}"


def log(platform: Platform, *instants: str) -> None:
    for at in instants:
        platform.connection.execute(INSERT, [at, f"at {at}"])


def months(platform: Platform) -> list[str]:
    rows = platform.connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'streamflow.prediction_log'::regclass ORDER BY 1"
    )
    return [name.removeprefix("streamflow.prediction_log_") for (name,) in rows]


def forget_this_month(platform: Platform) -> None:
    with connect(platform.login.with_role("streamflow_maintenance"), autocommit=True) as connection:
        assert drop_month(connection, this_month())


def test_months_are_made_ahead_and_rows_without_one_are_moved_into_theirs(
    platform: Platform,
) -> None:
    assert len(months(platform)) == 1 + 1 + 3
    assert create_months(platform.connection).months == ()
    log(
        platform,
        "1999-12-31 23:59:59.999999+00",
        "2000-01-01 00:00+00",
        "2000-01-31 23:00-05",
        "2000-01-31 23:59:59+00",
    )
    assert platform.connection.execute(PLACES).fetchall() == [
        ("streamflow.prediction_log_default", 4)
    ]
    before = database_digest(platform.connection)["streamflow.prediction_log"]
    made = create_months(platform.connection)
    assert [(one.month, one.rows) for one in made.months] == [
        ("1999_12", 1),
        ("2000_01", 2),
        ("2000_02", 1),
    ]
    assert platform.connection.execute(PLACES).fetchall() == [
        ("streamflow.prediction_log_1999_12", 1),
        ("streamflow.prediction_log_2000_01", 2),
        ("streamflow.prediction_log_2000_02", 1),
    ]
    assert database_digest(platform.connection)["streamflow.prediction_log"] == before
    assert check_protection(platform).state == "ok"


@pytest.mark.parametrize(
    "table", ["prediction_log", "prediction_log_default", "prediction_log_1999_12"]
)
def test_nobody_but_maintenance_takes_a_row_out(platform: Platform, table: str) -> None:
    log(platform, "1999-12-31 12:00+00")
    create_months(platform.connection)
    log(platform, "1998-12-31 12:00+00")
    for statement in (
        f"DELETE FROM streamflow.{table}",
        f"UPDATE streamflow.{table} SET key = 'x'",
        f"TRUNCATE streamflow.{table}",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            platform.connection.execute(statement)  # type: ignore[call-overload]
        with (
            connect(platform.login) as owner,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="are frozen"),
        ):
            owner.execute(statement)  # type: ignore[call-overload]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        platform.connection.execute("SELECT streamflow.drop_prediction_month('1999_12')")
    with platform.maintenance_connection() as connection:
        assert (
            connection.execute("DELETE FROM streamflow.prediction_log WHERE key = 'k'").rowcount
            == 2
        )
    with (
        connect(platform.login.with_role("streamflow_maintenance"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InvalidParameterValue, match="default is no month"),
    ):
        connection.execute("SELECT streamflow.drop_prediction_month('default')")


def writes(
    platform: Platform, name: str, done: Event, act: Callable[[psycopg.Connection, str], None]
) -> int:
    """Log answers until it is done; how many."""
    count = 0
    with connect(platform.address, autocommit=True) as connection:
        while not done.is_set():
            act(connection, f"{name} {count}")
            count += 1
    return count


def one(connection: psycopg.Connection, request: str) -> None:
    connection.execute(INSERT, [None, request], prepare=True)


def several_after_a_look(connection: psycopg.Connection, request: str) -> None:
    """Read first and write later: in this order two transactions could lock each other out."""
    with connection.transaction():
        connection.execute("SELECT count(*) FROM streamflow.prediction_log")
        for n in range(2):
            connection.execute(INSERT, [None, f"{request}.{n}"])


def copied(connection: psycopg.Connection, request: str) -> None:
    columns = (
        "request_id, key, as_of, model, version, run_id,"
        " probability, prediction, threshold, features"
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY streamflow.prediction_log ({columns}) FROM STDIN") as copy,
    ):
        for n in range(3):
            copy.write_row(
                (f"{request}.{n}", "k", datetime.now(UTC), "m", 1, "r", 0.25, 0, 0.5, "{}")
            )


def test_months_are_made_while_answers_are_logged_and_none_is_refused_or_lost(
    platform: Platform,
) -> None:
    """The month of now is made eight times while rows are written into it.

    Each time its rows lie in the default partition.
    """
    forget_this_month(platform)
    done, moved = Event(), 0
    acts: list[tuple[Callable[[psycopg.Connection, str], None], int]] = [
        (one, 1),
        (several_after_a_look, 2),
        (copied, 3),
    ]
    with ThreadPoolExecutor(max_workers=3) as pool:
        writing = [pool.submit(writes, platform, act.__name__, done, act) for act, _ in acts]
        try:
            for _ in range(8):
                made = create_months(platform.connection)
                assert [m.month for m in made.months] == [this_month()]
                moved += made.months[0].rows
                with connect(
                    platform.login, autocommit=True
                ) as owner:  # back to where it was, with its rows
                    month = f"streamflow.prediction_log_{this_month()}"
                    owner.execute(f"""
                        BEGIN; LOCK TABLE streamflow.prediction_log IN ACCESS EXCLUSIVE MODE;
                        ALTER TABLE streamflow.prediction_log DETACH PARTITION {month};
                        INSERT INTO streamflow.prediction_log_default
                            OVERRIDING SYSTEM VALUE SELECT * FROM {month};
                        DROP TABLE {month}; COMMIT""")
        finally:
            done.set()
        counts = [future.result(timeout=60) for future in writing]
    assert min(counts) > 0
    assert moved > 0
    expected = sum(count * rows for count, (_, rows) in zip(counts, acts, strict=True))
    row = platform.connection.execute(
        "SELECT count(*), count(DISTINCT id), count(DISTINCT request_id)"
        " FROM streamflow.prediction_log"
    ).fetchone()
    assert row == (expected, expected, expected)


def test_a_log_in_use_is_left_alone_and_its_months_are_made_by_the_next_step(
    platform: Platform,
) -> None:
    """Read the whole log in one transaction, as a backup does.

    Rows then go to the default partition.
    """
    assert check_prediction_log(platform).state == "ok"
    forget_this_month(platform)
    with connect(platform.address) as backup:
        backup.execute("SELECT count(*) FROM streamflow.prediction_log")
        made = create_months(platform.connection)
        assert (made.busy, made.months) == (True, ())
        assert list(made) == [
            "prediction log: it is in use. The next 'streamflow materialize' creates the months"
            " ahead"
        ]
        one(platform.connection, "meanwhile")
        with connect(
            platform.login.with_role("streamflow_maintenance"), autocommit=True
        ) as connection:
            assert not drop_month(connection, max(months(platform)[:-1]))
    found = check_prediction_log(platform)
    assert (found.state, found.text) == (
        "WRONG",
        f"month {this_month()} does not exist yet; 1 row belongs to no month",
    )
    assert migrate(platform).changes == (f"prediction log: month {this_month()} (1 row moved)",)
    assert check_prediction_log(platform).state == "ok"


def test_prune_drops_the_months_that_are_not_kept(
    platform: Platform, open_with: Callable[..., Platform]
) -> None:
    now = datetime.now(UTC)
    ago = [
        f"{(now.year * 12 + now.month - 1 - n) // 12}"
        f"-{(now.year * 12 + now.month - 1 - n) % 12 + 1:02}"
        for n in range(4)
    ]
    log(platform, *(f"{month}-15 12:00+00" for month in ago for _ in range(2)))
    create_months(platform.connection)
    there = months(platform)
    assert prune(platform).months == ()
    keeping = open_with(prediction_log_months=2)
    expected = (LogMonth(month=ago[3].replace("-", "_"), rows=2),)
    assert (prune(keeping, dry_run=True).months, months(platform)) == (expected, there)
    done = prune(keeping)
    assert (done.months, done.busy) == (expected, ())
    assert months(platform) == [name for name in there if name != expected[0].month]
    assert platform.connection.execute(
        "SELECT count(*), min(to_char(at, 'YYYY-MM')) FROM streamflow.prediction_log"
    ).fetchone() == (
        6,
        ago[2],
    )
    assert months_before(platform.connection, 2) == []
