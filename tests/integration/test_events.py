"""Several rows per key: read, checked, kept, and aggregated as of the drop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.chain import FEBRUARY, JANUARY, load
from support.events import (
    CATALOG_TEXT,
    USERS,
    aggregate_payments,
    random_payments,
    write_drop,
)

from streamflow.core.data.catalog_definitions import catalog_from_values, catalog_to_values
from streamflow.core.data.digest import BUCKETS
from streamflow.errors import (
    CatalogInvalid,
    ContractViolation,
    EntityUnknown,
    TemporalViolation,
)
from streamflow.platform import Platform
from streamflow.steps.data.event_proof import prove_aggregates
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.event_checks import check_events
from streamflow.warehouse import change_evidence, frozen
from streamflow.warehouse.aggregates import EventDrop
from streamflow.warehouse.event_values import read_event_values

AGGREGATES = tuple(aggregate_payments([], JANUARY, "ada"))
Open = Callable[..., Platform]


@pytest.fixture
def shop(open_with: Open, tmp_path: Path) -> Callable[..., Platform]:
    """Open an installation whose catalog has events."""

    def opened(changes: Mapping[str, str] | None = None, *, migrated: bool = True) -> Platform:
        text = CATALOG_TEXT
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "catalog.toml"
        path.write_text(text, encoding="utf-8")
        platform = open_with(migrated=False, catalog=path)
        if migrated:
            migrate(platform)
        return platform

    return opened


def frozen_aggregates(platform: Platform, revision: int = 1) -> dict[str, tuple[object, ...]]:
    """User -> aggregates as they are frozen as of January."""
    names = ", ".join(AGGREGATES)
    rows = platform.connection.execute(
        f"SELECT user_id, {names} FROM frozen.payments WHERE as_of = %s AND revision = %s",
        [JANUARY, revision],
    )
    return {user: tuple(values) for user, *values in rows}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_frozen_aggregates_are_those_of_plain_python_to_the_bit(
    shop: Callable[..., Platform], tmp_path: Path, seed: int
) -> None:
    lines = random_payments(seed, 400, JANUARY)
    platform = shop()
    load(platform, write_drop(tmp_path / "january", lines), JANUARY)
    expected = {
        user: tuple(map(repr, aggregate_payments(lines, JANUARY, user).values())) for user in USERS
    }
    found = {user: tuple(map(repr, values)) for user, values in frozen_aggregates(platform).items()}
    assert found == expected


def test_the_borders_of_as_of_and_of_a_window(
    shop: Callable[..., Platform], tmp_path: Path
) -> None:
    step = timedelta(microseconds=1)
    times = {
        "ada": JANUARY,
        "bob": JANUARY + step,
        "cyd": JANUARY - timedelta(days=90),
        "dan": JANUARY - timedelta(days=90) + step,
    }
    lines = [f"{user},{time:%Y-%m-%dT%H:%M:%S.%fZ},failed,2,1" for user, time in times.items()]
    platform = shop()
    folder = write_drop(tmp_path / "january", lines)
    receipt = ingest(platform, folder, JANUARY)
    assert receipt.warnings == (
        "payments.csv: 1 event after 2024-01-31 00:00 UTC does not count in this drop",
    )
    proof = snapshot(platform, JANUARY).tables[-1].events
    assert proof is not None
    assert (proof.events, proof.late_events, proof.newest) == (3, 1, JANUARY)
    counted = {
        user: (payments, failed)
        for user, (payments, failed, *_) in frozen_aggregates(platform).items()
    }
    assert counted == {
        "ada": (1, 1),
        "bob": (0, 0),
        "cyd": (1, 0),
        "dan": (1, 1),
        "eve": (0, 0),
    }


def test_dates_a_correction_and_no_event_at_all(
    shop: Callable[..., Platform], tmp_path: Path
) -> None:
    dates = {'paid_at = { type = "timestamp" }': 'paid_at = { type = "date" }'}
    platform = shop(dates | {'type = "timestamp", last': 'type = "date", last'})
    lines = [
        "ada,2024-01-31,failed,1.5,",
        "ada,2024-01-31,ok,2.5,",
        "bob,2024-02-01,failed,1.5,",
        "cyd,2023-11-02,failed,1.5,",
        "dan,2023-11-03,failed,1.5,",
    ]
    platform.connection.execute("SET timezone = 'Asia/Tokyo'")
    first = load(platform, write_drop(tmp_path / "first", []), JANUARY)
    assert first.tables[-1].rows == len(USERS)
    assert set(frozen_aggregates(platform).values()) == {
        (0, 0, 0.0, 0, None, None, None, None, None)
    }
    second = load(platform, write_drop(tmp_path / "second", lines), JANUARY)
    payments = second.tables[-1]
    assert (payments.revision, payments.created) == (2, True)
    assert payments.changed_cells["failed_90d"] == 2
    found = {user: values[:2] for user, values in frozen_aggregates(platform, 2).items()}
    assert found == {"ada": (2, 1), "bob": (0, 0), "cyd": (1, 0), "dan": (1, 1), "eve": (0, 0)}
    assert frozen_aggregates(platform, 2)["ada"][5:] == ("ok", 2.5, date(2024, 1, 31), 0)
    assert [table.created for table in snapshot(platform, JANUARY).tables] == [False] * 3
    rows = platform.connection.execute("SELECT count(*) FROM raw.payments").fetchall()
    assert rows == [(len(lines),)]


def test_two_drops_a_training_set_live_features_and_a_forgotten_key(
    shop: Callable[..., Platform], tmp_path: Path
) -> None:
    platform = shop()
    january = ["ada,2024-01-30 10:00:00,failed,1.5,", "bob,2024-01-30 10:00:00,ok,4,"]
    load(platform, write_drop(tmp_path / "january", january), JANUARY)
    february = [*january, "ada,2024-02-10 10:00:00,ok,2,", "ada,2024-02-10 10:00:00,failed,3,"]
    load(platform, write_drop(tmp_path / "february", february), FEBRUARY)
    sets = {as_of: training_set(platform, as_of).frame for as_of in (JANUARY, FEBRUARY)}
    ada = {as_of: frame.filter(frame["user_id"] == "ada") for as_of, frame in sets.items()}
    features = ["failed_90d", "paid_30d", "mean_amount", "last_status", "days_since_failed"]
    assert ada[JANUARY].select(features).rows() == [(1, 1.5, 1.5, "failed", 0)]
    assert ada[FEBRUARY].select(features).rows() == [(2, 6.5, 6.5 / 3, "failed", 18)]
    materialize(platform)
    live = "SELECT paid_30d FROM online.payments_fv WHERE user_id = 'ada'"
    assert platform.connection.execute(live).fetchall() == [(6.5,)]

    forgotten = forget(platform, "ada", why="asked")
    assert forgotten.rows["raw.payments"] == 4
    for table in ("raw.payments", "frozen.payments", "online.payments_fv"):
        query = f"SELECT count(*) FROM {table} WHERE user_id = 'ada'"
        assert platform.connection.execute(query).fetchall() == [(0,)]
    assert not any(table.created for table in snapshot(platform, FEBRUARY).tables)
    ingest(
        platform,
        write_drop(tmp_path / "again", [*february, "ada,2024-01-01 10:00:00,ok,,"]),
        FEBRUARY,
    )
    query = "SELECT count(*) FROM raw.payments WHERE user_id = 'ada'"
    assert platform.connection.execute(query).fetchall() == [(0,)]
    with pytest.raises(EntityUnknown):
        forget(platform, "nobody", why="asked")


def test_rows_of_events_are_checked_like_those_of_any_file(
    shop: Callable[..., Platform], tmp_path: Path
) -> None:
    platform = shop()
    good = [f"{user},2024-01-30 10:00:00,ok,1,1" for user in USERS for _ in range(3)]
    bad = [
        "ada,yesterday,ok,1,1",
        "ada,,ok,1,1",
        "bob,2024-01-30 10:00:00,lost,1,1",
        "zoe,2024-01-30 10:00:00,ok,1,1",
    ]
    folder = write_drop(tmp_path / "bad", [*good, *bad])
    with pytest.raises(ContractViolation) as refused:
        ingest(platform, folder, JANUARY)
    assert refused.value.facts["violations"] == [
        "bad/payments.csv:17 column 'paid_at': expected an instant YYYY-MM-DD HH:MM:SS,"
        " got 'yesterday'",
        "bad/payments.csv:18 column 'paid_at': expected an instant YYYY-MM-DD HH:MM:SS,"
        " got an empty cell",
        "bad/payments.csv:19 column 'status': expected one of 'ok', 'failed', got 'lost'",
        "bad/payments.csv:20 column 'user_id': expected a key that users.csv holds, got 'zoe'",
    ]
    too_large = [*good, *(["ada,2024-01-30 10:00:00,ok,1e308,1"] * 2)]
    with pytest.raises(ContractViolation, match="payments column 'paid_30d' = sum of .* range"):
        load(platform, write_drop(tmp_path / "large", too_large), JANUARY)
    assert platform.connection.execute("SELECT count(*) FROM frozen.payments").fetchall() == [(0,)]


def test_the_characters_of_the_last_text_are_counted(
    shop: Callable[..., Platform], tmp_path: Path
) -> None:
    platform = shop({'last = "status",': 'last = "status", max_length = 5,'})
    lines = ["ada,2024-01-30 10:00:00,ok,1,1", "bob,2024-01-30 10:00:00,failed,1,1"]
    with pytest.raises(ContractViolation) as refused:
        load(platform, write_drop(tmp_path / "january", lines), JANUARY)
    assert "of user_id 'bob': expected text of at most 5 characters, got failed" in str(
        refused.value
    )
    assert "'ada'" not in str(refused.value)


def test_a_bad_event_rejects_its_key_and_the_share_is_one_of_keys(
    shop: Callable[..., Platform], tmp_path: Path
) -> None:
    users = [f"user{number}" for number in range(150)]
    lines = [f"user{number % 3},2024-01-30 10:00:00,ok,1,1" for number in range(900)]
    lines.append("user7,2024-01-30 10:00:00,lost,1,1")
    platform = shop()
    folder = write_drop(tmp_path / "bad", lines, users=users, labels=users)
    receipt = ingest(platform, folder, JANUARY, reject_rows=True)
    assert receipt.rejected == 3
    snapshot(platform, JANUARY)
    assert len(frozen_aggregates(platform)) == 149


FAILED = """failed_90d = { count = "status = 'failed'", days = 90, view = "payments_fv" }"""


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (
            "count = \"statu = 'failed'\"",
            "aggregates.failed_90d: count = \"statu = 'failed'\": column",
        ),
        ('count = "amount"', "its type is double precision, which does not fit into a condition"),
        ('sum = "status"', "its type is text, which does not fit into 'float'"),
        ('count = "paid_at < now()"', "functions in index expression must be marked IMMUTABLE"),
        ('count = "count(*) > 1"', "aggregate functions are not allowed"),
        ('count = "row_number = 0"', 'column "row_number" does not exist'),
    ],
)
def test_an_expression_of_an_aggregate_is_judged_at_migrate(
    shop: Callable[..., Platform], new: str, problem: str
) -> None:
    platform = shop({FAILED: f'failed_90d = {{ {new}, view = "payments_fv" }}'}, migrated=False)
    with pytest.raises(CatalogInvalid) as refused:
        migrate(platform)
    assert problem in str(refused.value)


def test_the_type_of_a_column_of_events_does_not_change(shop: Callable[..., Platform]) -> None:
    """The rows of the former type stay, and the new ones would be written into their column."""
    shop()
    with pytest.raises(CatalogInvalid) as refused:
        shop(
            {
                'points = { type = "int"': 'points = { type = "float"',
                'points_sum = { type = "int"': 'points_of_all = { type = "float"',
            }
        )
    assert refused.value.facts["violations"] == [
        "events.payments.columns.points: the type is 'float', but the type of the stored rows is"
        " 'bigint'"
    ]


def test_the_key_does_not_change(shop: Callable[..., Platform]) -> None:
    shop()
    with pytest.raises(CatalogInvalid, match="key_header") as refused:
        shop({'key = "user_id"': 'key = "account"'})
    assert refused.value.facts["violations"] == [
        f"entity.key: 'account' is no column of the stored rows of '{table}'"
        for table in ("users", "labels", "payments")
    ]


def test_an_aggregate_that_was_frozen_keeps_its_meaning(shop: Callable[..., Platform]) -> None:
    shop()
    with pytest.raises(CatalogInvalid) as refused:
        shop({"days = 90": "days = 91"})
    assert refused.value.facts["violations"] == [
        'events.payments.aggregates.failed_90d: the frozen rows were computed by "count of'
        " (status = 'failed') in 90 days of paid_at\", but the catalog says \"count of"
        " (status = 'failed') in 91 days of paid_at\""
    ]
    table = '[tables.payments.columns]\npaid = { type = "int", view = "payments_fv" }'
    events = CATALOG_TEXT[CATALOG_TEXT.index("[events.payments]") :]
    with pytest.raises(CatalogInvalid, match="tables.payments: the table raw.payments has several"):
        shop({events: table})


def test_the_second_engine_finds_aggregates_of_different_events(
    shop: Callable[..., Platform], tmp_path: Path
) -> None:
    platform = shop()
    lines = random_payments(3, 60, JANUARY)
    load(platform, write_drop(tmp_path / "january", lines), JANUARY)
    events = platform.catalog.events["payments"]
    drop = EventDrop(table="payments", key="user_id", as_of=JANUARY, events=events)
    revision = next(r for r in frozen.all_revisions(platform.connection) if r.table == "payments")
    digest = frozen.stored_digest(platform.connection, revision)
    assert prove_aggregates(platform, drop, digest).events > 0
    # As if the aggregates of PostgreSQL had used the events of one day more.
    earlier = replace(drop, as_of=JANUARY - timedelta(days=1))
    platform.connection.execute(
        "INSERT INTO raw.payments (as_of, user_id, paid_at, status, amount, points, row_number)"
        " SELECT %s, user_id, paid_at, status, amount, points, row_number FROM raw.payments",
        [earlier.as_of],
    )
    platform.connection.execute(
        "INSERT INTO raw.users (as_of, user_id, fee) SELECT %s, user_id, fee FROM raw.users",
        [earlier.as_of],
    )
    with pytest.raises(TemporalViolation, match="computed different aggregates: days_since_failed"):
        prove_aggregates(platform, earlier, digest)
    sources = frozen.sources(platform.connection, [revision])
    # `verify` reads the catalog from the passport of the version.
    recorded = catalog_from_values(catalog_to_values(platform.catalog))
    verified = replace(platform, catalog=recorded)
    assert [check.proof is not None for check in check_events(verified, sources)] == [True]
    assert [check.proof is not None for check in check_events(platform, sources)] == [True]
    names = list(platform.catalog.columns("payments"))
    frozen_rows = frozen.read_rows(platform.address, "payments", names, [(JANUARY, 1)])
    again = change_evidence.read_raw_rows_in_buckets(
        platform.connection,
        platform.address,
        sources[0],
        platform.catalog,
        names,
        range(BUCKETS),
    )
    assert again.sort("user_id").rows() == frozen_rows.sort("user_id").select(names).rows()
    platform.connection.execute("DELETE FROM raw.payments WHERE row_number = 0")
    changed = [(check.reason[:7], check.differs) for check in check_events(platform, sources)]
    assert changed == [("payment", True)]
    absent = [
        check.reason for check in check_events(platform, [replace(sources[0], as_of=FEBRUARY)])
    ]
    assert absent == ["its events are not in this installation"]
    # The same events are delivered again, then different ones.
    ingest(platform, write_drop(tmp_path / "again", lines, labels=USERS[:3]), JANUARY)
    assert [check.proof is not None for check in check_events(platform, sources)] == [True]
    ingest(platform, write_drop(tmp_path / "corrected", lines[1:]), JANUARY)
    replaced = [(check.reason, check.differs) for check in check_events(platform, sources)]
    assert replaced == [("a later delivery changed its events", False)]
    chunks = list(read_event_values(platform.address, drop, chunk_rows=10))
    assert sum(map(len, chunks)) == len(lines) - 1
    assert sum(chunk["user_id"].n_unique() for chunk in chunks) == len(USERS) - 1
