"""train: a training set becomes a model version with its passport."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.metrics import Metrics, evaluate, in_words
from streamflow.core.passport import passport
from streamflow.core.split import is_holdout
from streamflow.core.training_set import TrainingSet
from streamflow.files import figures
from streamflow.platform import Platform
from streamflow.runtime.code import source_digests
from streamflow.runtime.environment import environment
from streamflow.steps.training_set import training_set
from streamflow.warehouse import ledger

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from streamflow.models.artifact import ModelDigests
    from streamflow.models.tracking import RunRecord


@dataclass(frozen=True, kw_only=True)
class TrainReceipt:
    """What was trained. `words` says what the numbers alone would hide."""

    run_id: str
    version: int
    as_of: date
    label_as_of: date
    metrics: Metrics
    training_set_digest: str
    predictions_digest: str
    model_digest: str
    content_digest: str
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        """The line that the reference ends with."""
        m = self.metrics
        return (
            f"[OK] trained as_of={self.as_of} labels={self.label_as_of} AUC={m.auc:.4f} [{m.auc_low:.4f}, {m.auc_high:.4f}]"
            f" F1={m.f1:.4f} accuracy={m.accuracy:.4f} run_id={self.run_id} version={self.version}"
        )


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model and what it says of the hold-out: all of it derived from a training set and the semantic settings.

    holdout        (n,)  which rows of the training set are on the hold-out side
    probability    (m,)  for the rows of the hold-out, in their order
    """

    pipeline: Pipeline
    holdout: NDArray[np.bool_]
    probability: NDArray[np.float64]
    metrics: Metrics
    training_seconds: float

    @property
    def predictions_digest(self) -> str:
        """sha256 over the probabilities of the hold-out, as big-endian float64."""
        return sha256(self.probability.astype(">f8").tobytes()).hexdigest()


def fit(platform: Platform, rows: TrainingSet) -> Fitted:
    """Split by hash of the key, fit the baseline, score the hold-out. Writes nothing.

    Raises TrainingImpossible when a side holds one class only.
    """
    from streamflow.models.baseline import fit_baseline
    from streamflow.models.predictor import compile_predictor

    settings, features = platform.settings, platform.catalog.features
    holdout = is_holdout(rows.frame[rows.key], salt=settings.split_salt, share=settings.holdout_share)
    matrix, label = rows.matrix, rows.labels
    begin = time.perf_counter()
    pipeline = fit_baseline(
        matrix.filter(pl.Series(~holdout)), label[~holdout], features=features, trees=settings.trees, seed=settings.seed
    )
    seconds = time.perf_counter() - begin
    probability = compile_predictor(pipeline, threshold=settings.threshold).probability(matrix.filter(pl.Series(holdout)))
    metrics = evaluate(
        label[holdout], probability, threshold=settings.threshold, seed=settings.seed, draws=settings.bootstrap_draws
    )
    return Fitted(pipeline=pipeline, holdout=holdout, probability=probability, metrics=metrics, training_seconds=seconds)


def train(
    platform: Platform,
    as_of: date,
    *,
    label_lead: int = 0,
    known_at: datetime | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> TrainReceipt:
    """Train the baseline, log the run, register the version: the version comes last, or not at all.

    Raises what `training_set` and `fit` raise.
    """
    notify("assembling the training set")
    rows = training_set(platform, as_of, label_lead=label_lead, known_at=known_at)
    notify(f"training on {len(rows.frame):,} rows")
    fitted = fit(platform, rows)
    notify("logging the run")
    record = _record(platform, rows, fitted, label_lead)
    with ledger.together(platform.connection):
        logged = platform.models.log_run(record)
        ledger.record_passport(
            platform.connection,
            run_id=logged.run_id,
            model=platform.catalog.model,
            version=logged.version,
            digest=logged.passport_digest,
        )
    return TrainReceipt(
        run_id=logged.run_id,
        version=logged.version,
        as_of=as_of,
        label_as_of=rows.label_as_of.date(),
        metrics=fitted.metrics,
        training_set_digest=rows.digest,
        predictions_digest=fitted.predictions_digest,
        model_digest=logged.digests.file,
        content_digest=logged.digests.content,
        words=tuple(in_words(fitted.metrics)),
    )


def _record(platform: Platform, rows: TrainingSet, fitted: Fitted, label_lead: int) -> RunRecord:
    from streamflow.models.tracking import RunRecord, TrainingSetName

    settings, catalog = platform.settings, platform.catalog
    label = rows.labels[fitted.holdout]
    return RunRecord(
        pipeline=fitted.pipeline,
        features=catalog.features,
        feature_service=catalog.service,
        training_set=TrainingSetName(name=f"{catalog.model} as of {rows.as_of:%Y-%m-%d}", digest=rows.digest, rows=len(rows.frame)),
        as_of=rows.as_of,
        label_as_of=rows.label_as_of,
        known_at=rows.known_at,
        label_lead=label_lead,
        seed=settings.seed,
        split_salt=settings.split_salt,
        holdout_share=settings.holdout_share,
        metrics=fitted.metrics,
        training_seconds=fitted.training_seconds,
        figures={
            "roc.png": figures.roc(label, fitted.probability),
            "precision_recall.png": figures.precision_recall(label, fitted.probability),
            "calibration.png": figures.calibration(label, fitted.probability),
        },
        passport=lambda digests: _passport(platform, rows, fitted, label_lead, digests),
    )


def _passport(platform: Platform, rows: TrainingSet, fitted: Fitted, label_lead: int, digests: ModelDigests) -> Mapping[str, Any]:
    catalog = platform.catalog
    keys = rows.frame[rows.key].cast(pl.String)
    result = {
        "training_keys": _keys_digest(keys.filter(pl.Series(~fitted.holdout))),
        "holdout_keys": _keys_digest(keys.filter(pl.Series(fitted.holdout))),
        "model": asdict(digests),
        "predictions": fitted.predictions_digest,
        "metrics": asdict(fitted.metrics),
    }
    return passport(
        rows,
        features={"service": catalog.service, "definitions": catalog.definitions},
        code={"files": source_digests()},
        environment=environment(),
        configuration={**platform.settings.semantic_values(), "label_lead": label_lead},
        result=result,
    )


def _keys_digest(keys: pl.Series) -> dict[str, Any]:
    """How many keys, and sha256 over them in order, each ended by NUL, which no key holds."""
    return {"rows": len(keys), "digest": sha256("".join(f"{key}\0" for key in keys).encode()).hexdigest()}
