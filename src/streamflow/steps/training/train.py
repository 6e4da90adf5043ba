"""train: make a model version with its passport from a training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from streamflow.core.data.counts import count_of
from streamflow.core.statistics.metrics import HoldoutMetrics, list_caveats
from streamflow.core.statistics.threshold import Threshold
from streamflow.core.training.certificate import Certificate
from streamflow.core.training.default_costs import DefaultCost
from streamflow.core.training.flagging import list_flagging_remarks
from streamflow.core.training.honesty import HonestyReport
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import make_passport
from streamflow.core.versions.version_files import (
    HONESTY,
    place_digests,
)
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.observed import observed
from streamflow.steps.stages.transitions import reconcile
from streamflow.steps.training.certify import certify
from streamflow.steps.training.current_levels import read_current_levels
from streamflow.steps.training.fit import Fitted, fit, result_of
from streamflow.steps.training.honesty import check_label_honesty
from streamflow.steps.training.run_files import collect_run_files
from streamflow.steps.training.training_set import training_set
from streamflow.steps.training.training_side import list_validation_remarks
from streamflow.warehouse import ledger

if TYPE_CHECKING:
    from streamflow.models.model_file import ModelDigests
    from streamflow.models.run_record import LoggedRun, RunRecord
    from streamflow.models.system_metrics import SystemSamples


@dataclass(frozen=True, kw_only=True)
class TrainReceipt(Receipt):
    """What was trained, and the version that it became.

    candidates  kind of model -> its cross-validated AUC, where the setting was auto
    candidate_briers  kind of model -> its cross-validated Brier score, by which it was chosen
    leaf_sizes  kind of model -> the leaf size that was chosen for it, where it is a candidate
    remarks     sentences about what the numbers alone would hide
    months      the number of months that the version learned from
    forward     the metrics of a model of the months before on the newest month's hold-out; None
                where no month was known before the newest one
    """

    run_id: str
    version: int
    as_of: date
    label_as_of: date
    model_kind: str
    candidates: Mapping[str, float]
    candidate_briers: Mapping[str, float]
    leaf_sizes: Mapping[str, int]
    threshold: Threshold
    threshold_rule: str
    metrics: HoldoutMetrics
    default_costs: tuple[DefaultCost, ...]
    training_set_digest: str
    predictions_digest: str
    model_digest: str
    content_digest: str
    certificate: Certificate
    honesty: HonestyReport
    remarks: tuple[str, ...]
    months: int = 1
    forward: HoldoutMetrics | None = None

    @property
    def line(self) -> str:
        """The last line of the command's output, in the form of the older project."""
        metrics = self.metrics
        months = f" months={self.months}" if self.months > 1 else ""
        return (
            f"[OK] trained as_of={self.as_of} labels={self.label_as_of}{months}"
            f" AUC={metrics.auc:.4f} [{metrics.auc_low:.4f}, {metrics.auc_high:.4f}]"
            f" F1={metrics.f1:.4f} accuracy={metrics.accuracy:.4f}"
            f" run_id={self.run_id} version={self.version}"
        )


@observed("train")
def train(
    platform: Platform,
    as_of: datetime,
    *,
    label_lead: int = 0,
    known_at: datetime | None = None,
    full: bool = False,
    months: int = 1,
) -> TrainReceipt:
    """Train a model, prove where each cell comes from, and register the version.

    The version is registered last: after an error of `training_set`, `fit` or `certify` there is no
    version.

    Args:
        as_of: the drop that the features describe
        label_lead: how many drops after `as_of` the drop of the labels is
        known_at: use what was known at this instant; by default what is known now
        full: prove every cell of a large set, too, not only a sample
        months: learn from this many labelled drops, up to `as_of`
    """
    from streamflow.models.system_metrics import measure_system

    platform.notify("assembling the training set")
    with measure_system() as samples:
        rows = training_set(
            platform, as_of, label_lead=label_lead, known_at=known_at, months=months
        )
        platform.notify(f"training on {count_of(rows.row_count, 'row')}")
        fitted = fit(platform, rows)
        platform.notify("checking where cells come from")
        certificate = certify(platform, rows, full=full)
        platform.notify("checking the labels and the features")
        honesty = check_label_honesty(platform, rows)
    platform.notify("logging the run")
    logged = register(platform, rows, fitted, certificate, honesty, samples)
    return _receipt(rows, fitted, certificate, honesty, logged)


def _receipt(
    rows: TrainingSet,
    fitted: Fitted,
    certificate: Certificate,
    honesty: HonestyReport,
    logged: LoggedRun,
) -> TrainReceipt:
    from streamflow.models.kinds import MODEL_KINDS

    return TrainReceipt(
        run_id=logged.run_id,
        version=logged.version,
        as_of=rows.as_of.date(),
        label_as_of=rows.label_as_of.date(),
        model_kind=fitted.kind,
        candidates={candidate.kind: candidate.auc for candidate in fitted.candidates},
        candidate_briers={candidate.kind: candidate.brier for candidate in fitted.candidates},
        leaf_sizes={
            candidate.kind: candidate.leaf_size
            for candidate in fitted.candidates
            if candidate.leaf_size is not None and len(MODEL_KINDS[candidate.kind].leaf_sizes) > 1
        },
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
        remarks=_list_remarks(rows, fitted),
        months=len(rows.months),
        forward=fitted.forward,
    )


def _list_remarks(rows: TrainingSet, fitted: Fitted) -> tuple[str, ...]:
    """Say what the numbers of a version alone would hide."""
    flagging_remarks = list_flagging_remarks(
        fitted.decision,
        flagged=fitted.metrics.predicted_positives,
        rows=fitted.metrics.holdout_rows,
    )
    return (
        *flagging_remarks,
        *list_caveats(fitted.metrics),
        *list_validation_remarks(rows, is_forward=fitted.forward is not None),
        *map(str, fitted.default_costs),
    )


def register(
    platform: Platform,
    rows: TrainingSet,
    fitted: Fitted,
    certificate: Certificate,
    honesty: HonestyReport,
    system_samples: SystemSamples,
) -> LoggedRun:
    """Log the run and register the version with its passport: everything, or no version.

    Raises SnapshotMissing when a revision of `rows` is gone by now.
    """
    reconcile(platform)
    record = replace(
        _run_record(platform, rows, fitted, certificate, honesty), system_samples=system_samples
    )
    record_passport = partial(
        ledger.record_passport, platform.connection, platform.catalog.model, rows.all_sources
    )
    with ledger.lock_ledger_shared(platform.connection):
        return platform.models.log_run(record, record_passport)


def _run_record(
    platform: Platform,
    rows: TrainingSet,
    fitted: Fitted,
    certificate: Certificate,
    honesty: HonestyReport,
) -> RunRecord:
    from streamflow.models.run_record import RunRecord, TrainingSetIdentity

    settings = platform.settings
    catalog = platform.catalog
    return RunRecord(
        pipeline=fitted.pipeline,
        kind=fitted.kind,
        candidates=fitted.candidates,
        decision=fitted.decision,
        background=fitted.background,
        features=catalog.features,
        feature_service=catalog.service,
        training_set=TrainingSetIdentity(
            name=f"{catalog.model} as of {rows.as_of:%Y-%m-%d}",
            digest=rows.digest,
            rows=rows.row_count,
            months=len(rows.months),
        ),
        as_of=rows.as_of,
        label_as_of=rows.label_as_of,
        known_at=rows.known_at,
        label_lead=rows.label_lead,
        seed=settings.seed,
        split_salt=settings.split_salt,
        holdout_share=settings.holdout_share,
        metrics=fitted.metrics,
        forward=fitted.forward,
        default_costs=fitted.default_costs,
        training_seconds=fitted.training_seconds,
        files=collect_run_files(settings, rows, fitted, honesty),
        passport=lambda digests: _passport(platform, rows, fitted, certificate, honesty, digests),
    )


def _passport(
    platform: Platform,
    rows: TrainingSet,
    fitted: Fitted,
    certificate: Certificate,
    honesty: HonestyReport,
    digests: ModelDigests,
) -> Mapping[str, Any]:
    result = {
        **result_of(rows, fitted),
        **place_digests({HONESTY.name: honesty.content}),
        "model": asdict(digests),
    }
    levels = read_current_levels(platform)
    passport = make_passport(
        rows,
        features=levels.features,
        code=levels.code,
        environment=levels.environment,
        configuration=levels.configuration,
        result=result,
        certificate=certificate.values,
    )
    return passport.values
