"""compare: a share of a change goes to its cause.

The words say which causes cannot be swapped alone, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, copy_drop, database_digest, load
from support.planted import (
    CONFIGURATION,
    DATA,
    DEFINITIONS,
    LABELS,
    Experiment,
    percents,
)
from support.states import JANUARY_TRAINED

from streamflow.catalog import DEFAULT_PATH
from streamflow.cli.compare import format_receipt
from streamflow.core.training.training_set import TrainingSet
from streamflow.errors import VersionMissing
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.simulate import simulate
from streamflow.steps.training.learn import Learned, learn
from streamflow.steps.training.train import train
from streamflow.steps.versions.compare import ERASED, compare

TREES = 20
DECOYS = (DATA, DEFINITIONS, CONFIGURATION)
TOGETHER = "features with data: features"


@pytest.fixture(scope="module")
def experiment(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Experiment]:
    """2,000 users and version 1."""
    folder, name = tmp_path_factory.mktemp("planted"), f"sf_test_{uuid4().hex[:12]}"
    simulate(folder, users=2000, months=1, seed=12, notify=lambda _: None)
    cluster.clone(name)
    made = Experiment(
        cluster=cluster,
        installation=name,
        home=folder / "home",
        base=folder / "month_000",
        trees=TREES,
        silent=True,
    )
    made.begin()
    yield made
    cluster.drop(name)


@pytest.mark.parametrize("causes", [(LABELS,), (DATA, DEFINITIONS)], ids=" and ".join)
def test_what_was_planted_gets_its_share_and_no_decoy_any(
    experiment: Experiment, tmp_path: Path, causes: tuple[str, ...]
) -> None:
    receipt = experiment.compared(causes, tmp_path / "planted")
    auc, found = receipt.metrics[0], percents(receipt)
    assert auc.change < -0.08
    assert set(found) == {*causes, *DECOYS}
    assert all(found[cause] == 0 for cause in DECOYS if cause not in causes)
    assert sum(found[cause] for cause in causes) == pytest.approx(100)
    assert all(found[cause] > 20 for cause in causes)
    assert receipt.rebuilds == 2 ** len(found)
    assert receipt.notes == ()
    assert sum(share.value for share in auc.shares) == pytest.approx(auc.b - auc.a, abs=1e-15)


def test_each_level_is_named_with_what_differs(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = list[str]()

    def learn_and_note(platform: Platform, rows: TrainingSet) -> Learned:
        trained.append(rows.digest)
        return learn(platform, rows)

    monkeypatch.setattr("streamflow.steps.versions.rebuild_trainings.learn", learn_and_note)
    receipt = experiment.compared((DEFINITIONS,), tmp_path / "planted")
    # The definitions of the second version do not read the hours, and the draws teach nothing.
    assert (len(trained), len(set(trained))) == (3, 3)
    assert percents(receipt) == {DATA: 0, CONFIGURATION: 0, DEFINITIONS: pytest.approx(100)}
    found = {level.name: [str(d) for d in level.differences] for level in receipt.levels}
    assert list(found) == ["data", "features", "code", "environment", "configuration"]
    (data,) = found["data"]
    assert re.fullmatch(
        r"revision of usage_agg_30d of 2024-01-31: 1 -> \d \(different values in watch_hours_30d\)",
        data,
    )
    assert "subs_profile_fv:months_active: defined -> absent" in found["features"]
    assert found["code"] == found["environment"] == []
    assert found["configuration"] == ["bootstrap_draws: 100 -> 200 (flag -> flag)"]
    *lines, last = format_receipt(receipt).splitlines()
    assert last.startswith("[OK] 8 rebuilds. Of the change of AUC from 0.")
    assert (
        "(100 %) is due to the definitions"
        " of the features (subs_profile_fv:months_active was removed, and" in last
    )
    assert max(map(len, lines)) < 150


def test_only_what_differs_is_swapped_and_nothing_is_written(
    open_with: Callable[..., Platform], simulated_drops: Path
) -> None:
    platform, other = open_with(trees=5), open_with(trees=6, threshold=0.4)
    load(platform, simulated_drops / "month_000", JANUARY)
    first, second = train(platform, JANUARY), train(other, JANUARY)
    before, progress = database_digest(platform.connection), list[str]()
    reporting = replace(platform, notify=progress.append)
    receipt = compare(reporting, first.run_id, str(second.version))
    assert database_digest(platform.connection) == before
    assert len(platform.models.versions()) == 2
    assert progress == ["rebuild 1 of 2: version 1", "rebuild 2 of 2: version 2"]
    assert [level.name for level in receipt.levels if not level.is_same] == ["configuration"]
    assert {share.cause for change in receipt.metrics for share in change.shares} == {CONFIGURATION}
    assert [(c.a, c.b) for c in receipt.metrics if c.metric == "f1"] == [
        (first.metrics.f1, second.metrics.f1)
    ]
    with pytest.raises(VersionMissing, match="has no version 99"):
        compare(platform, "1", "99")


@pytest.mark.state(JANUARY_TRAINED)
def test_neither_a_version_itself_nor_a_correction_that_nobody_reads_is_a_difference(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    platform = open_with(trees=5)
    unread = {
        "total_paid": pl.col("total_paid").cast(pl.Float64).mul(2).cast(pl.String)
    }  # no feature
    load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=unread),
        JANUARY,
    )
    train(platform, JANUARY)
    for other in ("1", "2"):
        receipt = compare(platform, "1", other)
        assert all(level.is_same for level in receipt.levels)
        assert [(change.change, change.shares) for change in receipt.metrics] == [(0.0, ())] * 8
        assert (receipt.rebuilds, receipt.notes) == (1, ())
        assert receipt.summary.startswith("AUC does not change: it is 0.")


@pytest.mark.state(JANUARY_TRAINED)
def test_a_table_that_only_one_of_them_reads_is_no_other_data(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    catalog = tmp_path / "narrow.toml"
    payments = '[views.payments_agg_90d_fv]\ntable = "payments_agg_90d"\n'
    full = DEFAULT_PATH.read_text(encoding="utf-8")
    assert full.count(payments) == full.count(', view = "payments_agg_90d_fv"') == 1
    catalog.write_text(
        full.replace(payments, "").replace(', view = "payments_agg_90d_fv"', ""), encoding="utf-8"
    )
    narrow = open_with(migrated=False, trees=5, catalog=catalog)
    migrate(narrow)
    train(narrow, JANUARY)
    for one, other in (("1", "2"), ("2", "1")):
        receipt = compare(narrow, one, other)
        assert [level.name for level in receipt.levels if not level.is_same] == ["features"]
        assert {share.cause for change in receipt.metrics for share in change.shares} == {
            DEFINITIONS
        }
        assert receipt.notes == ()


@pytest.mark.state(JANUARY_TRAINED)
def test_a_feature_that_the_other_data_do_not_have_is_swapped_with_its_data(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    catalog, place = tmp_path / "wide.toml", "[tables.subscriptions.columns]\n"
    column = (
        'bound = { type = "bool", view = "subs_profile_fv",'
        " expr = \"contract_type <> 'Month-to-month'\" }\n"
    )
    catalog.write_text(
        DEFAULT_PATH.read_text(encoding="utf-8").replace(place, place + column), encoding="utf-8"
    )
    wide = open_with(migrated=False, catalog=catalog, trees=5, threshold=0.4)
    migrate(wide)
    load(wide, simulated_drops / "month_000", JANUARY)
    train(wide, JANUARY)
    receipt = compare(wide, "1", "2")
    assert set(percents(receipt)) == {TOGETHER, CONFIGURATION}
    assert receipt.rebuilds == 4
    assert receipt.notes == (
        "the definitions of version 2 read subscriptions.bound,"
        " which the data of version 1 do not have:"
        f" '{TOGETHER}' is swapped as one cause",
    )
    assert (
        "the definitions of the features (subs_profile_fv:bound was added,"
        " and 1 more) with the data of the features (" in receipt.summary
    )


def test_labels_that_know_none_of_the_users_are_swapped_with_them(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    platform = open_with(trees=5)
    load(platform, simulated_drops / "month_000", JANUARY)
    others = {"user_id": pl.concat_str(pl.lit("other-"), "user_id")}
    tables = dict.fromkeys(platform.catalog.tables, others)
    load(
        platform, copy_drop(simulated_drops / "month_001", tmp_path / "others", **tables), FEBRUARY
    )
    train(platform, JANUARY)
    train(platform, FEBRUARY)
    receipt = compare(platform, "1", "2")
    together = f"{DATA} with {LABELS}"
    assert {share.cause for change in receipt.metrics for share in change.shares} == {together}
    assert receipt.notes == (
        f"version 1 with data: labels of version 2:"
        f" no key of the drop of 2024-01-31 has a label in the drop of 2024-02-29:"
        f" '{together}' is swapped as one cause",
    )
    differences = [str(d) for d in receipt.levels[0].differences]
    assert differences[0] == "drop of the features: 2024-01-31 -> 2024-02-29"
    assert (
        differences[-1] == "drop of the labels: 2024-01-31 -> 2024-02-29 (revision 1 -> 1,"
        " different values in churn_label, user_id)"
    )


def test_forgotten_rows_are_neither_hidden_nor_put_down_to_the_code(
    open_with: Callable[..., Platform], simulated_drops: Path
) -> None:
    platform = open_with(trees=5)
    load(platform, simulated_drops / "month_000", JANUARY)
    trained = train(platform, JANUARY)
    rows = pl.read_csv(simulated_drops / "month_000/users.csv", infer_schema=False)
    for key in rows["user_id"].sort()[:10]:
        forget(platform, key, why="asked for")
    later = train(
        replace(platform, settings=platform.settings.model_copy(update={"threshold": 0.4})), JANUARY
    )
    assert later.predictions_digest != trained.predictions_digest
    receipt = compare(platform, "1", "2")
    shares = {share.cause: share.value for share in receipt.metrics[0].shares}
    assert shares[ERASED] == pytest.approx(later.metrics.auc - trained.metrics.auc, abs=1e-12)
    assert all(value == 0 for cause, value in shares.items() if cause != ERASED)
    forgotten, rebuilt = receipt.notes
    assert forgotten.startswith("rows were forgotten since version 1 was trained: ")
    assert rebuilt.startswith("version 1, rebuilt here, has AUC 0.")
