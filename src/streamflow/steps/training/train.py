"""train: a training set becomes a model version with its passport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import polars as pl

from streamflow.core.statistics.metrics import Metrics, in_words
from streamflow.core.training import (
    background,
    default_costs,
    holdout_probabilities,
    stored_requests,
)
from streamflow.core.training.certificate import Certificate
from streamflow.core.training.default_costs import DefaultCost
from streamflow.core.training.honesty import FILE as HONESTY_FILE
from streamflow.core.training.honesty import Honesty
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import passport_of
from streamflow.files import figures
from streamflow.platform import Platform
from streamflow.steps.stages.transitions import reconcile
from streamflow.steps.training.certify import certified
from streamflow.steps.training.current_levels import present
from streamflow.steps.training.fit import Fitted, fit, result_of
from streamflow.steps.training.honesty import label_honesty
from streamflow.steps.training.training_set import training_set
from streamflow.warehouse import ledger

if TYPE_CHECKING:
    from streamflow.models.model_file import ModelDigests
    from streamflow.models.run_record import LoggedRun, RunRecord


@dataclass(frozen=True, kw_only=True)
class TrainReceipt:
    """What was trained.

    candidates  kind of model -> its cross-validated AUC, where the setting was auto
    words       what the numbers alone would hide
    """

    run_id: str
    version: int
    as_of: date
    label_as_of: date
    model_kind: str
    candidates: Mapping[str, float]
    threshold: float
    threshold_rule: str
    metrics: Metrics
    default_costs: tuple[DefaultCost, ...]
    training_set_digest: str
    predictions_digest: str
    model_digest: str
    content_digest: str
    certificate: Certificate
    honesty: Honesty
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        """The line that the reference ends with."""
        m = self.metrics
        return (
            f"[OK] trained as_of={self.as_of} labels={self.label_as_of} AUC={m.auc:.4f} [{m.auc_low:.4f}, {m.auc_high:.4f}]"
            f" F1={m.f1:.4f} accuracy={m.accuracy:.4f} run_id={self.run_id} version={self.version}"
        )


def train(
    platform: Platform,
    as_of: date,
    *,
    label_lead: int = 0,
    known_at: datetime | None = None,
    full: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> TrainReceipt:
    """Train the baseline, prove where each cell comes from, log the run, register the version: it comes last, or not at all.

    `full` proves every cell also of a set that is large. Raises what `training_set`, `fit` and `certified` raise.
    """
    notify("assembling the training set")
    rows = training_set(platform, as_of, label_lead=label_lead, known_at=known_at)
    notify(f"training on {len(rows.frame):,} rows")
    fitted = fit(platform, rows, notify=notify)
    notify("checking where cells come from")
    certificate = certified(platform, rows, full=full, notify=notify)
    notify("asking what speaks against labels and features")
    honesty = label_honesty(platform, rows)
    notify("logging the run")
    logged = register(platform, rows, fitted, certificate, honesty)
    return TrainReceipt(
        run_id=logged.run_id,
        version=logged.version,
        as_of=as_of,
        label_as_of=rows.label_as_of.date(),
        model_kind=fitted.kind,
        candidates={c.kind: c.auc for c in fitted.candidates},
        threshold=fitted.decision.threshold,
        threshold_rule=fitted.decision.rule,
        metrics=fitted.metrics,
        default_costs=fitted.default_costs,
        training_set_digest=rows.digest,
        predictions_digest=fitted.predictions_digest,
        model_digest=logged.digests.file,
        content_digest=logged.digests.content,
        certificate=certificate,
        honesty=honesty,
        words=(
            *_choice_in_words(fitted),
            *in_words(fitted.metrics),
            *map(str, fitted.default_costs),
        ),
    )


def _choice_in_words(fitted: Fitted) -> list[str]:
    """Why this kind of model and this threshold."""
    said = []
    if fitted.candidates:
        tried = ", ".join(f"{c.kind} {c.auc:.4f}" for c in fitted.candidates)
        said.append(
            f"{fitted.kind} has the highest cross-validated AUC of the training side: {tried}"
        )
    if fitted.decision.threshold >= 1:
        said.append(
            "No offer pays by the settings kept_value, offer_cost, offer_success and offer_budget: nobody is flagged."
        )
    return said


def register(
    platform: Platform,
    rows: TrainingSet,
    fitted: Fitted,
    certificate: Certificate,
    honesty: Honesty,
) -> LoggedRun:
    """Log the run and register the version together with its passport: all of it, or no version.

    Raises SnapshotMissing when a revision of `rows` is gone by now.
    """
    reconcile(platform)
    enter = partial(
        ledger.record_passport, platform.connection, platform.catalog.model, rows.sources
    )
    with ledger.together(platform.connection):
        return platform.models.log_run(_record(platform, rows, fitted, certificate, honesty), enter)


def _record(
    platform: Platform,
    rows: TrainingSet,
    fitted: Fitted,
    certificate: Certificate,
    honesty: Honesty,
) -> RunRecord:
    from streamflow.models.run_record import RunRecord, TrainingSetName

    settings, catalog = platform.settings, platform.catalog
    label = rows.labels[fitted.holdout]
    return RunRecord(
        pipeline=fitted.pipeline,
        kind=fitted.kind,
        candidates=fitted.candidates,
        decision=fitted.decision,
        features=catalog.features,
        feature_service=catalog.service,
        training_set=TrainingSetName(
            name=f"{catalog.model} as of {rows.as_of:%Y-%m-%d}",
            digest=rows.digest,
            rows=len(rows.frame),
        ),
        as_of=rows.as_of,
        label_as_of=rows.label_as_of,
        known_at=rows.known_at,
        label_lead=rows.label_lead,
        seed=settings.seed,
        split_salt=settings.split_salt,
        holdout_share=settings.holdout_share,
        metrics=fitted.metrics,
        default_costs=fitted.default_costs,
        training_seconds=fitted.training_seconds,
        files={
            holdout_probabilities.FILE: holdout_probabilities.to_bytes(fitted.probability),
            stored_requests.FILE: fitted.probes.content,
            HONESTY_FILE: honesty.content,
            **(
                {default_costs.FILE: default_costs.content(fitted.default_costs)}
                if fitted.default_costs
                else {}
            ),
            background.FILE: _background(platform, rows, fitted).content,
            "roc.png": figures.roc(label, fitted.probability),
            "precision_recall.png": figures.precision_recall(label, fitted.probability),
            "calibration.png": figures.calibration(label, fitted.probability),
        },
        passport=lambda digests: _passport(platform, rows, fitted, certificate, honesty, digests),
    )


def _background(platform: Platform, rows: TrainingSet, fitted: Fitted) -> background.Background:
    """What is usual among the rows that were learned from: reasons compare with it."""
    learned = rows.matrix.filter(pl.Series(~fitted.holdout))
    return background.background_of(
        learned, [f.name for f in platform.catalog.features if f.column.categorical]
    )


def _passport(
    platform: Platform,
    rows: TrainingSet,
    fitted: Fitted,
    certificate: Certificate,
    honesty: Honesty,
    digests: ModelDigests,
) -> Mapping[str, Any]:
    told = {"model": asdict(digests), "honesty": sha256(honesty.content).hexdigest()}
    result = {**result_of(rows, fitted), **told}
    return passport_of(
        rows, **vars(present(platform)), result=result, certificate=certificate.values
    ).values
