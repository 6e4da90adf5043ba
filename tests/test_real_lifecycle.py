"""The life cycle on the real drops: the reference's comparison replayed, and ours.

Skipped without the drops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest
from conftest import Cluster
from sklearn.model_selection import train_test_split
from support.chain import FEBRUARY, JANUARY, in_production, load, run

from streamflow.catalog import DEFAULT_PATH
from streamflow.core.promotion.gate import should_promote
from streamflow.core.statistics.metrics import auc
from streamflow.core.training.calibration import calibration_error, chance_calibration_error
from streamflow.core.training.training_set import TrainingSet
from streamflow.features.materialize import materialize
from streamflow.models.compiled_model import compile_model
from streamflow.models.pipelines import encoder_of, fit_model
from streamflow.platform import Platform, open_platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.retrain import retrain
from streamflow.steps.serving.score import score
from streamflow.steps.serving.serving_version import load_serving
from streamflow.steps.stages.transitions import version_in_stage
from streamflow.steps.training.fit import Fitted, fit
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.warehouse import scores

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
TREES = 30


@pytest.fixture(scope="module")
def real(
    cluster: Cluster, real_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Both months frozen."""
    name = f"sf_real_{uuid4().hex[:12]}"
    cluster.clone(name)
    with open_platform(
        cluster.settings(name, tmp_path_factory.mktemp("real") / "home", trees=TREES)
    ) as platform:
        run(platform, real_drops / "month_000", JANUARY)
        run(platform, real_drops / "month_001", FEBRUARY)
        yield platform
    cluster.drop(name)


def with_settings(platform: Platform, **values: object) -> Platform:
    return replace(platform, settings=platform.settings.model_copy(update=values))


def test_04_the_champion_of_the_reference_is_judged_on_what_it_has_seen_and_ours_is_not(
    real: Platform,
) -> None:
    """Trap 4: the reference splits by position.

    Positions move when a join returns rows in a different order.
    """
    january, february = training_set(real, JANUARY), training_set(real, FEBRUARY)
    champion, challenger = by_position(january, order=0), by_position(february, order=0)
    seen = champion(january, 1)
    unseen = challenger(february, 0)
    assert seen > 0.9
    assert unseen < 0.7
    assert not should_promote(unseen, seen, 0.01)  # and so for ever

    trained = train(real, JANUARY)
    promote(real, trained.version, force=True, why="January is in Production")
    retrained = retrain(real, on_verdict=True)
    assert (
        "AUC" in retrained.why
    )  # monitor has found the concept drift of February, by its labels alone
    receipt = retrained.promotion
    assert receipt is not None
    assert (receipt.decision, receipt.forced, receipt.replaced) == (
        "promoted",
        False,
        trained.version,
    )
    found = receipt.examination
    assert found is not None
    [compared] = [c for c in found.compared if c.metric == "auc"]
    assert 0.44 <= compared.champion <= 0.54
    assert compared.low > 0.05
    assert (found.rows["label_as_of"][:10], found.rows["rows"]) == ("2024-02-29", 1774)
    assert {proof["keys"] for proof in found.rows["trained_on"].values()} == {7043 - 1774}


def by_position(rows: TrainingSet, *, order: int) -> Callable[[TrainingSet, int], float]:
    """Fit as the reference does, on rows in some order.

    Returns a function that scores the hold-out of rows in a different order.
    """

    def sides(of: TrainingSet, shuffled: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        frame = of.frame.sample(fraction=1, shuffle=True, seed=shuffled)
        train_side, test_side = train_test_split(
            np.arange(len(frame)), test_size=0.25, stratify=frame[of.label], random_state=42
        )
        return frame[train_side], frame[test_side]

    from streamflow.catalog import load_catalog

    features = load_catalog(None).features
    learned, _ = sides(rows, order)
    label = learned[rows.label].cast(pl.Int8).to_numpy()
    pipeline = fit_model(
        "baseline", learned.select(rows.features), label, features=features, trees=TREES, seed=42
    )

    def score(of: TrainingSet, shuffled: int) -> float:
        _, held = sides(of, shuffled)
        return auc(
            held[of.label].to_numpy(),
            compile_model(pipeline)(encoder_of(pipeline).encode_frame(held.select(of.features))),
        )

    return score


def test_probabilities_come_true_on_the_hold_out_of_ten_salts(real: Platform) -> None:
    rows = training_set(real, JANUARY)
    calibrated = []
    for salt in SALTS:
        fitted: Fitted = fit(with_settings(real, split_salt=salt), rows)
        label = rows.labels[fitted.holdout]
        bound = chance_calibration_error(fitted.probability, level=0.95, seed=1, draws=500)
        calibrated.append(calibration_error(label, fitted.probability) <= bound)
        raw = (
            fit(with_settings(real, split_salt=salt, calibration="none", threshold=0.5), rows)
            if salt == SALTS[0]
            else None
        )
        if raw is not None:
            assert calibration_error(label, raw.probability) > 2 * bound
            assert auc(label, raw.probability) == fitted.metrics.auc
    assert sum(calibrated) >= 8


def test_auto_takes_the_best_candidate(real: Platform) -> None:
    fitted = fit(with_settings(real, model="auto"), training_set(real, JANUARY))
    best = max(candidate.auc for candidate in fitted.candidates)
    [chosen] = [candidate.auc for candidate in fitted.candidates if candidate.kind == fitted.kind]
    assert {candidate.kind for candidate in fitted.candidates} == {
        "logistic",
        "forest",
        "boosting",
    }
    assert best - chosen <= 0.003
    assert chosen >= 0.820


def test_auto_with_every_column_as_a_feature(
    cluster: Cluster, real_drops: Path, installation: str, tmp_path: Path
) -> None:
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    for column in ("contract_type", "total_paid"):
        text = _as_feature(text, column, "subs_profile_fv")
    for column in ("user_gender", "user_is_senior", "has_family", "has_dependents"):
        text = _as_feature(text, column, "user_fv")
    text = text.replace(
        "[views.subs_profile_fv]", '[views.user_fv]\ntable = "users"\n[views.subs_profile_fv]'
    )
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(text, encoding="utf-8")
    from streamflow.steps.data.migrate import migrate

    settings = cluster.settings(installation, tmp_path / "home", catalog=catalog, model="auto")
    with open_platform(settings, must_be_migrated=False) as platform:
        migrate(platform)
        load(platform, real_drops / "month_000", JANUARY)
        fitted = fit(platform, training_set(platform, JANUARY))
    assert max(candidate.auc for candidate in fitted.candidates) >= 0.830


def _as_feature(text: str, column: str, view: str) -> str:
    lines = text.splitlines()
    [number] = [i for i, line in enumerate(lines) if line.startswith(f"{column} ")]
    categorical = "categorical = true, " if '"string"' in lines[number] else ""
    lines[number] = (
        lines[number].rstrip().removesuffix("}").rstrip() + f', {categorical}view = "{view}" }}'
    )
    return "\n".join(lines) + "\n"


def test_score_says_to_the_bit_what_is_said_online_of_every_user(real: Platform) -> None:
    if version_in_stage(real) is None:
        in_production(real, JANUARY)
    serving = load_serving(real)
    for day in (JANUARY, FEBRUARY):
        materialize(real.connection, real.catalog, as_of=day, services=real.read_services())
        rows = pl.concat(scores.read_scores(real.address, score(real, day).run))
        found = [
            row for row in serving.reader.read_many(real.connection, rows["key"].to_list()) if row
        ]
        assert any(None in row.values for row in found)
        told = [serving.predictor.probability_one(row.values) for row in found]
        assert [p.hex() for p in told] == [p.hex() for p in rows["probability"]]
        assert [int(p >= serving.predictor.threshold) for p in told] == rows["prediction"].to_list()
