"""The real drops: the measurements of REFERENCE.md, and our promises. Skipped without the drops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from support.api import asked, served
from support.chain import FEBRUARY, JANUARY, copy_drop, in_production, load, run

from streamflow.features.live_features import OnlineReader
from streamflow.models.model_file import content_digest
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.materialize import materialize
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.serving.serving_version import load_serving
from streamflow.steps.training.fit import fit
from streamflow.steps.training.honesty import check_label_honesty
from streamflow.steps.training.train import TrainReceipt, train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.compare import compare
from streamflow.steps.versions.rebuild_combinations import LABEL_DATA
from streamflow.steps.versions.reproduce import reproduce

# January with the default settings (a baseline of 300 trees).
DEFAULT_DIGESTS = {
    "training set": "b60649157e9bc6d2c1fbec9befa7a6e1c6fc700641641889340344849954d394",
    "content": "d96d6fb385b368e2cfedf69686d25993cb59ab059c7728bd15f4a6a6261eaad6",
    "predictions": "0563bb88373b692a0e3da173338effb424bdd71396f5ef4bd63577955587635b",
}
SALTS = (
    "streamflow",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
)


@pytest.fixture(scope="module")
def real(
    cluster: Cluster, real_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Platform, TrainReceipt]]:
    """An installation with January alone and a version in Production.

    The tests build on each other, in order.
    """
    name = f"sf_real_{uuid4().hex[:12]}"
    cluster.clone(name)
    with open_platform(
        cluster.settings(name, tmp_path_factory.mktemp("real") / "home", trees=30)
    ) as platform:
        run(platform, real_drops / "month_000", JANUARY)
        yield platform, in_production(platform, JANUARY)
    cluster.drop(name)


@pytest.fixture(scope="module")
def both(real: tuple[Platform, TrainReceipt], real_drops: Path) -> Platform:
    """The same after February is frozen as well, and not yet live."""
    load(real[0], real_drops / "month_001", FEBRUARY)
    return real[0]


def test_every_row_and_the_three_declared_categories(real: tuple[Platform, TrainReceipt]) -> None:
    platform, _ = real
    rows = training_set(platform, JANUARY)
    assert (len(rows.frame), rows.without_label) == (7043, 0)
    assert rows.labels.mean() == pytest.approx(0.2654, abs=5e-5)
    assert set(load_serving(platform).predictor.encoder.categories) == {
        "plan_stream_tv",
        "plan_stream_movies",
        "net_service",
    }
    assert (
        rows.frame["plan_stream_tv"].null_count()
        == rows.frame["plan_stream_movies"].null_count()
        == 1526
    )


def test_the_digests_of_a_default_training_stay(real: tuple[Platform, TrainReceipt]) -> None:
    """Training set, learned content and predictions are those of every release before this one."""
    platform, _ = real
    settings = platform.settings.model_copy(update={"trees": 300})
    rows = training_set(platform, JANUARY)
    fitted = fit(replace(platform, settings=settings), rows)
    assert {
        "training set": rows.digest,
        "content": content_digest(fitted.pipeline),
        "predictions": fitted.predictions_digest,
    } == DEFAULT_DIGESTS


def test_every_user_gets_a_prediction(
    real: tuple[Platform, TrainReceipt], real_drops: Path
) -> None:
    platform, _ = real
    serving = load_serving(platform)
    keys = pl.read_csv(real_drops / "month_000/users.csv", infer_schema=False)["user_id"].to_list()
    rows = OnlineReader(serving.reader.features, key="user_id").read_many(platform.connection, keys)
    found = [serving.predictor.probability_one(row.values) for row in rows if row is not None]
    assert len(found) == 7043
    assert all(0 <= p <= 1 for p in found)


def test_january_is_served_exactly_and_february_once_it_is_live(
    real: tuple[Platform, TrainReceipt], real_drops: Path
) -> None:
    platform, _ = real
    usage = {
        month: pl.read_csv(real_drops / month / "usage_agg_30d.csv")
        .filter(pl.col("user_id") == "7590-VHVEG")
        .row(0, named=True)
        for month in ("month_000", "month_001")
    }
    assert usage["month_000"] != usage["month_001"]
    with served(platform) as base:
        january = asked(f"{base}/features/7590-VHVEG").body["features"]
        assert (january["monthly_fee"], january["months_active"], january["paperless_billing"]) == (
            29.85,
            1,
            True,
        )
        assert january["watch_hours_30d"] == usage["month_000"]["watch_hours_30d"]
        answer = asked(f"{base}/predict", {"user_id": "7590-VHVEG"})
        assert (answer.status, len(answer.body["features_used"])) == (200, 14)
        load(platform, real_drops / "month_001", FEBRUARY)
        materialize(platform)
        february = asked(f"{base}/features/7590-VHVEG").body
        assert february["features"]["watch_hours_30d"] == usage["month_001"]["watch_hours_30d"]
        assert february["as_of"].startswith("2024-02-29")
        unknown = asked(f"{base}/predict", {"user_id": "999999"})
        assert (unknown.status, len(unknown.body["missing_features"])) == (404, 14)


def test_a_training_as_of_january_is_the_same_after_february_is_loaded(
    real: tuple[Platform, TrainReceipt], both: Platform
) -> None:
    before, after = real[1], train(both, JANUARY)
    assert after.training_set_digest == before.training_set_digest
    assert after.content_digest == before.content_digest
    assert after.predictions_digest == before.predictions_digest


@pytest.mark.parametrize(
    ("lead", "low", "high"),
    [
        pytest.param(0, 0.795, 0.837, id="own labels"),
        pytest.param(1, 0.601, 0.653, id="february's labels"),
    ],
)
def test_auc_over_ten_salts(both: Platform, lead: int, low: float, high: float) -> None:
    rows = training_set(both, JANUARY, label_lead=lead)
    # a mean over ten forests lies in the range of 300 trees, for an eighth of their time
    changes = {"trees": 40, "calibration": "none", "threshold": 0.5}
    salted = [
        replace(both, settings=both.settings.model_copy(update={**changes, "split_salt": salt}))
        for salt in SALTS
    ]
    assert low <= mean(fit(platform, rows).metrics.auc for platform in salted) <= high


def test_09_what_speaks_against_february_is_said(both: Platform) -> None:
    """1,869 churners who stay, a month that did not pass, a different label rule.

    And a feature that is the same in every row.
    """
    january, february = (
        check_label_honesty(both, training_set(both, day)) for day in (JANUARY, FEBRUARY)
    )
    assert {(f.check, f.subject) for f in january.findings} == {
        ("label-period", ""),
        ("constant", "avg_session_mins_7d"),
        ("previous-drop", ""),
    }
    found = {(f.check, f.subject): f.numbers for f in february.with_severity("severe", "warning")}
    assert set(found) == {
        ("churners-stay", ""),
        ("counter", "months_active"),
        ("counter", "total_paid"),
        ("label-rule", ""),
    }
    assert found["churners-stay", ""] == {"stayed": 1869, "of": 1869}
    assert found["counter", "months_active"] == {"keys": 7043, "not_advanced": 7043, "fell": 0}
    rule = found["label-rule", ""]
    assert rule["auc_before"] > 0.8
    assert rule["auc_now"] < 0.6
    assert [f.subject for f in february.findings if f.check == "constant"] == [
        "avg_session_mins_7d"
    ]
    assert not february.severe


def test_01_compare_puts_the_fall_down_to_the_labels(
    real: tuple[Platform, TrainReceipt], both: Platform
) -> None:
    """Trap 1 replayed: the same command and as_of, before and after February's labels exist."""
    receipt = compare(both, real[1].run_id, train(both, JANUARY, label_lead=1).run_id)
    auc = receipt.metrics[0]
    assert 0.795 <= auc.a <= 0.837
    assert 0.601 <= auc.b <= 0.653
    assert [d.what for d in receipt.levels[0].differences] == ["drop of the labels"]
    assert all(level.is_same for level in receipt.levels[1:])
    assert [(share.cause, share.percent) for share in auc.shares] == [(LABEL_DATA, 100.0)]
    assert (
        "is due to the labels (drop of the labels: 2024-02-29 instead of 2024-01-31)"
        in receipt.summary
    )


def test_the_event_of_february_is_in_the_labels_and_monitor_says_so(both: Platform) -> None:
    """January's version ranks at chance, but no feature shows it: four differ, and by little."""
    receipt = monitor(both, FEBRUARY)
    concept = receipt.report.concept
    assert concept is not None
    assert receipt.verdict == "concept drift, label drift"
    assert (0.795 <= concept.reference <= 0.837, 0.45 <= concept.current <= 0.53) == (True, True)
    assert concept.high < -0.25
    assert receipt.report.drifted == ()
    moved = {f.name for f in receipt.report.features if f.distribution.p_adjusted <= 0.05}
    assert moved == {
        "watch_hours_30d",
        "rebuffer_events_7d",
        "support_tickets_90d",
        "failed_payments_90d",
    }
    assert all((f.name in moved) == (f.psi > 0) for f in receipt.report.features)
    assert max(f.psi for f in receipt.report.features) < 0.05
    assert monitor(both, JANUARY).verdict == "ok"


def test_january_is_made_again_after_its_correction_and_one_changed_cell_is_named(
    both: Platform, real_drops: Path, tmp_path: Path
) -> None:
    """One cell among 7,043 × 14, changed by the database's owner while the trigger is off."""
    corrected = copy_drop(
        real_drops / "month_000", tmp_path / "late", usage_agg_30d={"skips_7d": pl.lit("1")}
    )
    load(both, corrected, JANUARY)
    train(both, FEBRUARY)
    assert [level.verdict for level in reproduce(both, "1").levels] == ["same"] * 5
    change = (
        "ALTER TABLE frozen.subscriptions DISABLE TRIGGER frozen; UPDATE frozen.subscriptions"
        " SET monthly_fee = {} WHERE"
        " user_id = '7590-VHVEG' AND as_of = '2024-01-31 00:00Z';"
        " ALTER TABLE frozen.subscriptions ENABLE TRIGGER frozen"
    )
    with psycopg.connect(both.login.conninfo(), autocommit=True) as owner:
        owner.execute(change.format(29.86))  # type: ignore[arg-type]
        changed = reproduce(both, "1")
        owner.execute(change.format(29.85))  # type: ignore[arg-type]
    data, *others = changed.levels
    assert tuple(map(str, data.differences)) == (
        "subscriptions of 2024-01-31, revision 1, 7590-VHVEG monthly_fee: 29.85 -> 29.86",
    )
    assert [level.verdict for level in others] == ["same"] * 4
    assert (changed.result, changed.differences[0]) == (
        "differs",
        "the training set's column monthly_fee differs from the recorded column",
    )
    assert reproduce(both, "1").result == "identical"
