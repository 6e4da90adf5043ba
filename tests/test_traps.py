"""The traps of the reference system that this project answers, one test for each trap.

The number in the name is that of the trap.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from conftest import Cluster
from support.api import asked, served
from support.chain import (
    FEBRUARY,
    JANUARY,
    NOW,
    copy_drop,
    database_digest,
    in_production,
    load,
    run,
)
from support.months import found, population, reference_system_fires
from support.processes import wait_for

from streamflow.catalog import load_catalog, parse_catalog
from streamflow.core.statistics.metrics import evaluate, list_caveats
from streamflow.errors import CatalogInvalid, ContractViolation, LabelsMissing
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.ingest import ingest
from streamflow.steps.serving.predict import predict
from streamflow.steps.serving.serving_version import load_serving
from streamflow.steps.training.honesty import check_label_honesty
from streamflow.steps.training.train import TrainReceipt, train
from streamflow.steps.training.training_set import training_set

CATALOG = load_catalog(None)
NEVER_NULL = [f.name for f in CATALOG.features if not f.column.nullable]


def bits(trained: TrainReceipt) -> tuple[str, str, str]:
    """What a training derived: rows, learned content, predictions of the hold-out."""
    return trained.training_set_digest, trained.content_digest, trained.predictions_digest


@contextmanager
def another_installation(cluster: Cluster, home: Path, **flags: object) -> Iterator[Platform]:
    """A second one, opened after the first is closed: vendors know one per process."""
    name = f"sf_test_{uuid4().hex[:12]}"
    cluster.clone(name)
    try:
        with open_platform(cluster.settings(name, home, **flags)) as platform:
            yield platform
    finally:
        cluster.drop(name)


def test_01_labels_have_a_date(platform: Platform, simulated_drops: Path, tmp_path: Path) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    before = train(platform, JANUARY)
    other_rule = {
        "churn_label": pl.when(pl.col("churn_label") == "True")
        .then(pl.lit("False"))
        .otherwise(pl.lit("True"))
    }
    same_users = copy_drop(simulated_drops / "month_000", tmp_path / "february", labels=other_rule)
    load(platform, same_users, FEBRUARY)
    after, next_labels = train(platform, JANUARY), train(platform, JANUARY, label_lead=1)
    assert bits(after) == bits(before)
    assert (after.label_as_of, next_labels.label_as_of) == (
        JANUARY.date(),
        FEBRUARY.date(),
    )
    assert next_labels.training_set_digest != before.training_set_digest


def test_02_there_is_no_other_label_to_fall_back_to(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    text = (Path(__file__).parents[1] / "src/streamflow/catalog.toml").read_text(encoding="utf-8")
    with pytest.raises(CatalogInvalid, match="table 'labels' has no column 'churned'"):
        parse_catalog(
            text.replace('column = "churn_label"', 'column = "churned"'), origin="catalog.toml"
        )
    load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "unlabelled", labels=None),
        JANUARY,
    )
    load(platform, simulated_drops / "month_001", FEBRUARY)
    with pytest.raises(LabelsMissing, match=r"the drop of 2024-01-31 has no labels\.csv"):
        train(platform, JANUARY)
    assert platform.models.versions() == []


def test_03_the_order_of_rows_decides_nothing(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for number, path in enumerate(sorted((simulated_drops / "month_000").glob("*.csv"))):
        pl.read_csv(path, infer_schema=False).sample(
            fraction=1, shuffle=True, seed=number
        ).write_csv(shuffled / path.name)
    found = []
    for number, folder in enumerate((simulated_drops / "month_000", shuffled)):
        with another_installation(cluster, tmp_path / f"home{number}") as platform:
            load(platform, folder, JANUARY)
            found.append(bits(train(platform, JANUARY)))
    assert (simulated_drops / "month_000/users.csv").read_bytes() != (
        shuffled / "users.csv"
    ).read_bytes()
    assert found[0] == found[1]


def test_06_an_alarm_is_rare_in_months_in_which_nothing_happened() -> None:
    """The reference counts the key as a column.

    A different population has different keys, and one of 16 columns is enough.
    """
    january, others = population(2000, 1), [population(2000, seed) for seed in range(2, 8)]
    assert all(reference_system_fires(january, other) for other in others)
    same_keys = [other.with_rows(user_id=january.rows["user_id"]) for other in others]
    assert not any(reference_system_fires(january, other) for other in same_keys), (
        "it was the key alone"
    )
    assert not any(found(january, other).fires for other in others)
    assert {f.name for f in found(january, others[0]).features} == {
        f.name for f in CATALOG.features
    }


@pytest.fixture(scope="module")
def served_january(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Platform, str]]:
    """January in Production and the API that serves it: the tests leave it as they found it."""
    with another_installation(cluster, tmp_path_factory.mktemp("served") / "home") as platform:
        run(platform, simulated_drops / "month_000", JANUARY)
        in_production(platform, JANUARY)
        with served(platform) as base:
            yield platform, base


def test_07_a_null_that_was_trained_on_is_served_and_any_other_is_named(
    served_january: tuple[Platform, str], simulated_drops: Path
) -> None:
    platform, base = served_january
    services = pl.read_csv(simulated_drops / "month_000/subscriptions.csv", infer_schema=False)
    without_net = services.filter(pl.col("net_service") == "No")["user_id"].to_list()
    assert len(without_net) > 50
    answers = [predict(platform, key, now=NOW) for key in without_net[:3]]
    assert all(a.features["plan_stream_tv"] is None and 0 <= a.probability <= 1 for a in answers)
    change = "UPDATE online.subs_profile_fv SET monthly_fee = %s WHERE user_id = '7590-VHVEG'"
    platform.connection.execute(change, [None])
    answer = asked(f"{base}/predict", {"user_id": "7590-VHVEG"})
    platform.connection.execute(change, [29.85])
    assert (answer.status, answer.body["missing_features"]) == (422, ["monthly_fee"])
    assert (
        asked(f"{base}/predict", {"user_id": without_net[0]}).body["features_used"][
            "plan_stream_tv"
        ]
        is None
    )


def test_08_categories_are_declared_and_not_guessed(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    """The same three in a drop without nulls, where a guess by dtype would find only one."""
    plans = {
        name: pl.col(name).fill_null("False") for name in ("plan_stream_tv", "plan_stream_movies")
    }
    full = copy_drop(simulated_drops / "month_000", tmp_path / "full", subscriptions=plans)
    learned = []
    for number, folder in enumerate((simulated_drops / "month_000", full)):
        with another_installation(cluster, tmp_path / f"home{number}", trees=20) as platform:
            run(platform, folder, JANUARY)
            in_production(platform, JANUARY)
            learned.append(load_serving(platform).predictor.encoder)
    declared = {f.name for f in CATALOG.features if f.column.categorical}
    assert [set(encoder.categories) for encoder in learned] == [declared, declared]
    assert learned[0].categories["plan_stream_tv"] == (0.0, 1.0, None)
    assert learned[1].categories["plan_stream_tv"] == (0.0, 1.0)


def test_09_an_incoherent_panel_is_said(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    """The reference's February: January's users again, not a month older.

    One feature is the same in every row.
    """
    load(platform, simulated_drops / "month_000", JANUARY)
    usage = {
        "watch_hours_30d": pl.col("watch_hours_30d").shuffle(seed=1),
        "avg_session_mins_7d": pl.lit("29.1"),
    }
    load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "february", usage_agg_30d=usage),
        FEBRUARY,
    )
    honesty = check_label_honesty(platform, training_set(platform, FEBRUARY))
    found = {(f.check, f.severity, f.subject) for f in honesty.findings}
    assert found >= {
        ("churners-stay", "warning", ""),
        ("counter", "warning", "months_active"),
        ("counter", "warning", "total_paid"),
        ("constant", "note", "avg_session_mins_7d"),
    }
    assert not honesty.severe
    said = next(f for f in honesty.findings if f.check == "churners-stay")
    assert (
        said.numbers["stayed"] == said.numbers["of"] == training_set(platform, JANUARY).labels.sum()
    )


def test_10_health_is_not_readiness_and_an_error_is_no_200(
    platform: Platform, simulated_drops: Path
) -> None:
    """A promotion needs no restart of the API."""
    with served(platform, until="/health") as base:
        assert asked(f"{base}/health").body == {"status": "ok"}
        ready = asked(f"{base}/ready")
        assert ready.status == 503
        assert [reason.split(":")[0] for reason in ready.body["reasons"]] == ["features", "model"]
        answer = asked(f"{base}/predict", {"user_id": "7590-VHVEG"})
        assert (answer.status, answer.body["code"]) == (503, "version_missing")
        run(platform, simulated_drops / "month_000", JANUARY)
        in_production(platform, JANUARY)
        assert wait_for(lambda: asked(f"{base}/ready").status == 200)
        assert asked(f"{base}/predict", {"user_id": "7590-VHVEG"}).status == 200
        assert asked(f"{base}/predict", {"user_id": "999999"}).status == 404
        assert asked(f"{base}/predict", {"user": "7590-VHVEG"}).status == 422
        platform.connection.execute("ALTER TABLE online.usage_agg_30d_fv RENAME TO gone")
        assert asked(f"{base}/health").status == 200
        assert asked(f"{base}/ready").status == 503
        assert asked(f"{base}/predict", {"user_id": "7590-VHVEG"}).status == 503


@pytest.mark.parametrize("table", list(CATALOG.tables))
def test_12_nothing_is_written_before_all_of_it_is_checked(
    platform: Platform, simulated_drops: Path, tmp_path: Path, table: str
) -> None:
    ingest(platform, simulated_drops / "month_000", JANUARY)
    before = database_digest(platform.connection)
    column = next(iter(CATALOG.tables[table].columns))
    first = pl.int_range(pl.len()) == 0
    bad = {column: pl.when(first).then(pl.lit("nonsense")).otherwise(pl.col(column))}
    folder = copy_drop(simulated_drops / "month_001", tmp_path / "bad", **{table: bad})
    with pytest.raises(
        ContractViolation,
        match=rf"{CATALOG.file(table)}:2 column '{column}': expected .*, got 'nonsense'",
    ):
        ingest(platform, folder, FEBRUARY)
    assert database_digest(platform.connection) == before


def test_13_a_correction_is_a_revision_and_the_former_one_stays(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    before = training_set(platform, JANUARY)
    fees = {
        "monthly_fee": pl.when(pl.col("user_id") == "7590-VHVEG")
        .then(pl.lit("31.5"))
        .otherwise(pl.col("monthly_fee"))
    }
    receipt = load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees),
        JANUARY,
    )
    changed = {t.table: (t.revision, t.changed_columns) for t in receipt.tables if t.created}
    assert changed == {"subscriptions": (2, ("monthly_fee",))}
    mine = pl.col("user_id") == "7590-VHVEG"
    assert training_set(platform, JANUARY).frame.filter(mine)["monthly_fee"].to_list() == [31.5]
    then = training_set(platform, JANUARY, known_at=before.known_at)
    assert then.frame.filter(mine)["monthly_fee"].to_list() == [29.85]
    assert then.digest == before.digest
    load(
        platform, simulated_drops / "month_000", JANUARY
    )  # and back: the first content once more is a third revision
    assert training_set(platform, JANUARY).digest == before.digest
    assert {s.table: s.revision for s in training_set(platform, JANUARY).sources}[
        "subscriptions"
    ] == 3


def test_14_the_newest_drop_is_what_is_served(platform: Platform, simulated_drops: Path) -> None:
    run(platform, simulated_drops / "month_000", JANUARY)
    in_production(platform, JANUARY)
    january = set(
        pl.read_csv(simulated_drops / "month_000/users.csv", infer_schema=False)["user_id"]
    )
    february = set(
        pl.read_csv(simulated_drops / "month_001/users.csv", infer_schema=False)["user_id"]
    )
    left = min(january - february)
    with served(platform) as base:
        assert asked(f"{base}/features/7590-VHVEG").body["features"]["months_active"] == 1
        assert asked(f"{base}/features/{left}").status == 200
        run(platform, simulated_drops / "month_001", FEBRUARY)
        now = asked(f"{base}/features/7590-VHVEG").body
        assert (now["features"]["months_active"], now["as_of"]) == (2, "2024-02-29T00:00:00+00:00")
        assert asked(f"{base}/features/{left}").status == 404
        assert (
            asked(f"{base}/predict", {"user_id": "7590-VHVEG"}).body["as_of"]
            == "2024-02-29T00:00:00+00:00"
        )
        run(
            platform, simulated_drops / "month_000", JANUARY
        )  # an old drop that comes again is not the newest
        assert asked(f"{base}/features/7590-VHVEG").body["features"]["months_active"] == 2


def test_15_a_number_is_the_same_from_the_file_to_the_answer(
    served_january: tuple[Platform, str], simulated_drops: Path
) -> None:
    platform, base = served_january
    text = {
        row["user_id"]: row["monthly_fee"]
        for row in pl.read_csv(
            simulated_drops / "month_000/subscriptions.csv", infer_schema=False
        ).iter_rows(named=True)
    }
    offline = training_set(platform, JANUARY).frame
    assert {k: repr(v) for k, v in offline.select("user_id", "monthly_fee").iter_rows()} == text
    assert asked(f"{base}/features/7590-VHVEG").body["features"]["monthly_fee"] == 29.85
    assert (
        asked(f"{base}/predict", {"user_id": "7590-VHVEG"}).body["features_used"]["monthly_fee"]
        == 29.85
    )
    for key in list(text)[1:20]:
        assert repr(asked(f"{base}/features/{key}").body["features"]["monthly_fee"]) == text[key]


def test_16_a_number_that_says_nothing_is_said_in_words(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    draws = (
        pl.int_range(pl.len()).shuffle(seed=5) % 4 == 0
    )  # a label that no column knows: the reference's first line
    noise = {"churn_label": pl.when(draws).then(pl.lit("True")).otherwise(pl.lit("False"))}
    load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "noise", labels=noise),
        JANUARY,
    )
    trained = train(platform, JANUARY)
    m = trained.metrics
    assert m.accuracy < m.majority_accuracy
    assert any(
        word.startswith(f"Accuracy {m.accuracy:.4f} is below {m.majority_accuracy:.4f}")
        for word in trained.remarks
    )
    logged = platform.models.version(trained.version).metrics
    assert (logged["accuracy"], logged["majority_accuracy"]) == (m.accuracy, m.majority_accuracy)
    label = pl.Series([0, 0, 0, 1]).to_numpy()
    fine = evaluate(
        label, pl.Series([0.1, 0.2, 0.3, 0.9]).to_numpy(), threshold=0.5, seed=1, draws=50
    )
    assert not any("Accuracy" in word for word in list_caveats(fine))
