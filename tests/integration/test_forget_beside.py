"""`forget` beside the commands that read and write rows: what was erased stays erased.

Each pair meets at a lock that decides. `make prove` has every lock of every command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from support.chain import JANUARY, NOW, copy_drop
from support.forgetting import answer_by_api, require_forgotten
from support.interleaving import interleave
from support.states import JANUARY_SERVED, in_state

from streamflow.errors import EntityUnknown, SnapshotDamaged, SnapshotMissing
from streamflow.platform import Platform
from streamflow.steps.data.forget import ForgetReceipt, forget
from streamflow.steps.data.ingest import IngestReceipt, ingest
from streamflow.steps.data.materialize import MaterializeReceipt, materialize
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.serving.predict import Prediction, predict
from streamflow.steps.serving.score import score
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.doctor.contents import check_forgotten_keys

KEY = "7590-VHVEG"


@pytest.fixture
def served(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[Platform]:
    """January is frozen and live, version 1 of it is in Production."""
    with in_state(cluster, JANUARY_SERVED, simulated_drops, tmp_path / "home") as platform:
        yield platform


@pytest.fixture
def corrected(simulated_drops: Path, tmp_path: Path) -> Path:
    """January with different fees, as it is delivered again."""
    fees = {"monthly_fee": pl.lit("31.5")}
    return copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees)


def erase(platform: Platform) -> object:
    return forget(platform, KEY, why="a request")


def both(result: tuple[object, object] | None) -> tuple[object, object]:
    assert result is not None, "nobody asked for the lock"
    return result


def test_an_ingest_that_waited_for_forget_leaves_the_key_out(
    served: Platform, corrected: Path
) -> None:
    forgotten, ingested = both(
        interleave(served, erase, lambda p: ingest(p, corrected, JANUARY), "RAW_AND_FROZEN_ROWS", 1)
    )
    assert isinstance(forgotten, ForgetReceipt)
    assert isinstance(ingested, IngestReceipt)
    assert (ingested.erased, {file.rows for file in ingested.files}) == (1, {399})
    snapshot(served, JANUARY)
    materialize(served)
    require_forgotten(served, KEY)


@pytest.mark.parametrize(("number", "answered"), [(1, True), (2, False)])
def test_an_answer_beside_forget_is_erased_or_is_not_given(
    served: Platform, number: int, answered: bool
) -> None:
    """It is read before the erasure; its line in the log waits for the lock of `forget`."""
    forgotten, answer = both(
        interleave(served, erase, lambda p: predict(p, KEY, now=NOW), "FORGETTING", number)
    )
    assert isinstance(forgotten, ForgetReceipt)
    assert isinstance(answer, Prediction if answered else EntityUnknown)
    assert forgotten.rows.get("streamflow.prediction_log", 0) == answered
    require_forgotten(served, KEY)


@pytest.mark.parametrize(("number", "answered"), [(1, True), (2, False)])
def test_the_api_beside_forget_answers_for_all_others(
    served: Platform, number: int, answered: bool
) -> None:
    """The batch that was refused because of one key is read and answered again."""
    somebody = served.connection.execute(
        "SELECT min(user_id) FROM raw.users WHERE user_id <> %s", [KEY]
    ).fetchone()
    assert somebody is not None
    keys = [KEY, somebody[0]]
    forgotten, answers = both(
        interleave(served, erase, lambda p: answer_by_api(p, keys), "FORGETTING", number)
    )
    assert isinstance(forgotten, ForgetReceipt)
    assert isinstance(answers, list)
    assert [type(answer) for answer in answers] == [
        Prediction if answered else EntityUnknown,
        Prediction,
    ]
    logged = served.connection.execute("SELECT count(*) FROM streamflow.prediction_overview")
    assert logged.fetchone() == (1,)
    require_forgotten(served, KEY)


def test_a_materialization_beside_forget_makes_nobody_live_again(served: Platform) -> None:
    live, forgotten = both(interleave(served, materialize, erase, "LIVE_TABLES", 1))
    assert isinstance(live, MaterializeReceipt)
    assert isinstance(forgotten, ForgetReceipt)
    assert {view.rows for view in live.views} == {400}
    require_forgotten(served, KEY)


@pytest.mark.parametrize(
    ("call", "lock", "number"),
    [
        (lambda p: train(p, JANUARY), "LEDGER", 2),
        (lambda p: score(p, JANUARY), "RAW_AND_FROZEN_ROWS", 2),
    ],
)
def test_who_read_the_key_before_forget_writes_nothing(
    served: Platform, call: Callable[[Platform], object], lock: str, number: int
) -> None:
    """`forget` ends while the command waits to write: what it read is not true any more."""
    if lock == "LEDGER":
        refused, forgotten = both(interleave(served, call, erase, lock, number))
        assert isinstance(refused, SnapshotMissing), refused
        assert "was changed by 'forget'" in refused.message
    else:
        _, forgotten = both(interleave(served, call, erase, lock, number))
    assert isinstance(forgotten, ForgetReceipt)
    assert len(served.models.versions()) == 1
    require_forgotten(served, KEY)
    call(served)
    require_forgotten(served, KEY)


def test_doctor_finds_rows_of_a_forgotten_key(served: Platform) -> None:
    """Rows that somebody puts back with the triggers switched off, such as from an old dump."""
    tables = ("raw.users", "frozen.users", "online.usage_agg_30d_fv", "streamflow.prediction_log")
    predict(served, KEY, now=NOW)
    with psycopg.connect(served.login.conninfo(), autocommit=True) as connection:
        for number, table in enumerate(tables):
            connection.execute(
                f"CREATE TEMP TABLE dump_{number} AS SELECT * FROM {table} t"  # type: ignore[arg-type]
                f" WHERE t::text LIKE '%{KEY}%'"
            )
        erase(served)
        require_forgotten(served, KEY)
        connection.execute("SET session_replication_role = replica")
        for number, table in enumerate(tables):
            overriding = "OVERRIDING SYSTEM VALUE" if table.endswith("log") else ""
            connection.execute(
                f"INSERT INTO {table} {overriding} SELECT * FROM dump_{number}"  # type: ignore[arg-type]
            )
    finding = check_forgotten_keys(served)
    assert finding.is_wrong
    assert sorted(finding.text.removeprefix("of forgotten keys: ").split(", ")) == sorted(
        f"{table} has 1 row" for table in tables
    )
    with pytest.raises(SnapshotDamaged):  # a frozen row came past the protection: see 'frozen rows'
        forget(served, KEY, why="again")
    with served.maintenance_connection() as maintenance:
        maintenance.execute("DELETE FROM frozen.users WHERE user_id = %s", [KEY])
    forget(served, KEY, why="again")
    assert not check_forgotten_keys(served).is_wrong
