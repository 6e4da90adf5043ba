"""The gate of a promotion: the challenger's own conditions and its comparison with the champion.

Both versions are compared on the same rows, and neither version was trained on the users of
these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from streamflow.core.data.counts import count_of
from streamflow.core.data.json_text import canonical_json
from streamflow.core.promotion.base_rate import judge_base_rate
from streamflow.core.promotion.gate import (
    GateCondition,
    GatePolicy,
    MetricComparison,
    VersionAnswers,
    compare_metrics,
    explain_too_few_rows,
    judge_comparison,
)
from streamflow.core.statistics.threshold import flag_rows
from streamflow.core.training.flagging import list_flagging_remarks
from streamflow.errors import (
    ArtifactUntrusted,
    LabelsMissing,
    NotRebuildable,
    SnapshotDamaged,
    TrainingImpossible,
)
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.steps.promotion.gate_conditions import (
    calibration_gate,
    honesty_gate,
    passport_gate,
    probe_gate,
    schema_gate,
)
from streamflow.steps.promotion.unseen_users import (
    UnseenPredictions,
    find_newest_labelled_drop,
    predict_unseen,
)
from streamflow.steps.training.learn import economics_of
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.steps.versions.registered_version import RecordedVersion, load_predictor
from streamflow.warehouse.known_drops import TrainingDrops

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor

# These errors keep a version from being judged. The comparison fails and its evidence says why;
# there is no simpler comparison to fall back to.
NOT_EVALUABLE = (NotRebuildable, TrainingImpossible, ArtifactUntrusted, SnapshotDamaged)


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The result of holding a challenger against the gate.

    Attributes:
        challenger: The number of the version that was examined.
        champion: The number of the version in Production; None when there is none.
        compared: Every metric of both versions on the rows that neither has seen; empty when the
            two cannot be compared.
        remarks: Sentences about whom the challenger flags, and about money that is not set.
        rows: The rows of the comparison: the drop, the number of rows, and for each version the
            proof of its training keys.
    """

    challenger: int
    champion: int | None
    policy: GatePolicy
    gates: tuple[GateCondition, ...]
    compared: tuple[MetricComparison, ...]
    rows: Mapping[str, Any]
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every single gate is passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def evidence(self) -> str:
        """The whole examination as canonical JSON. The ledger stores this text."""
        return canonical_json({**asdict(self), "passed": self.passed})

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the evidence, in hexadecimal."""
        return sha256(self.evidence.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """The comparison gate of an examination, with the metrics and the rows behind it."""

    gate: GateCondition
    compared: tuple[MetricComparison, ...] = ()
    rows: Mapping[str, Any] = field(default_factory=dict)


def policy_of(settings: Settings) -> GatePolicy:
    """Return the promotion policy that the settings of this installation define."""
    return GatePolicy(
        rule=settings.gate_policy,
        metric=settings.gate_metric,
        margin=settings.gate_margin,
        confidence=settings.gate_confidence,
        draws=settings.gate_draws,
        seed=settings.seed,
        min_rows=settings.gate_min_rows,
    )


def examine(
    platform: Platform, challenger: ModelVersion, champion: ModelVersion | None
) -> Examination:
    """Hold a challenger against every gate. Nothing is written.

    Raises:
        NotRebuildable: This installation has no passport of the challenger.
        ArtifactUntrusted: The challenger's files are not the registered ones.
    """
    policy = policy_of(platform.settings)
    record = find_recorded_version(platform, str(challenger.version))
    platform.notify(f"checking version {challenger.version}")
    predictor = load_predictor(platform, record)
    gates = [
        passport_gate(platform, record),
        schema_gate(platform, record),
        probe_gate(platform, record, predictor),
        honesty_gate(platform, record),
    ]
    remarks: tuple[str, ...] = ()
    try:
        drops = find_newest_labelled_drop(platform, record.passport.label_lead)
        platform.notify(
            f"predicting with version {challenger.version} for users that it has not seen, "
            f"labels of {drops.label_as_of:%Y-%m-%d}"
        )
        predictions = predict_unseen(platform, record, drops, predictor)
    except (*NOT_EVALUABLE, LabelsMissing) as exc:
        outcome = _fail_comparison(f"challenger not evaluable here: {exc.message}")
    else:
        gates.append(calibration_gate(record, predictions, policy))
        gates.append(judge_base_rate(predictions.label, predictions.probability, policy))
        remarks = _remark_on_flags(predictor, predictions)
        outcome = _compare(platform, challenger, champion, predictions, drops, policy)
    return Examination(
        challenger=challenger.version,
        champion=champion.version if champion else None,
        policy=policy,
        gates=(*gates, outcome.gate),
        compared=outcome.compared,
        rows=outcome.rows,
        remarks=remarks,
    )


def _remark_on_flags(predictor: Predictor, predictions: UnseenPredictions) -> tuple[str, ...]:
    """Say it when the challenger flags nobody of the unseen users."""
    flagged = flag_rows(predictions.probability, predictor.threshold)
    return list_flagging_remarks(
        predictor.decision,
        flagged=int(flagged.sum()),
        rows=len(predictions.label),
    )


def _compare(
    platform: Platform,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    predictions: UnseenPredictions,
    drops: TrainingDrops,
    policy: GatePolicy,
) -> _Comparison:
    """Compare the challenger with the champion. Without a champion the comparison is passed."""
    if champion is None:
        gate = GateCondition(
            name="comparison",
            passed=True,
            evidence="no version is in Production: there is no champion to compare with",
        )
        proof = _prove_unseen({str(challenger.version): predictions}, predictions, drops)
        return _Comparison(gate=gate, rows=proof)
    platform.notify(f"predicting with version {champion.version}, the champion, for the same users")
    try:
        record = _read_champion_record(platform, champion)
        predictor = load_predictor(platform, record)
        champion_predictions = predict_unseen(platform, record, drops, predictor)
    except NOT_EVALUABLE as exc:
        return _fail_comparison(f"champion not evaluable here: {exc.message}")
    old = champion_predictions.only(predictions.keys)
    new = predictions.only(champion_predictions.keys)
    by_version = {str(champion.version): old, str(challenger.version): new}
    proof = _prove_unseen(by_version, new, drops)
    return _compare_predictions(platform, old, new, proof, policy)


def _compare_predictions(
    platform: Platform,
    old: UnseenPredictions,
    new: UnseenPredictions,
    proof: Mapping[str, Any],
    policy: GatePolicy,
) -> _Comparison:
    """Compare both versions on the users that neither was trained on.

    `old` holds the champion's predictions for these users, `new` the challenger's. `proof`
    describes the rows, for the evidence.
    """
    same_rows = old.keys.equals(new.keys) and (old.label == new.label).all()
    if not same_rows:
        return _fail_comparison(
            "champion not evaluable here: it was trained for a different key or label"
        )
    if shortage := explain_too_few_rows(new.label, policy):
        return _fail_comparison(f"champion not evaluable here: {shortage}", rows=proof)
    platform.notify(
        f"comparing on {count_of(len(new.label), 'user')} that neither version was trained on"
    )
    compared = compare_metrics(
        new.label,
        VersionAnswers(probability=old.probability, threshold=old.threshold),
        VersionAnswers(probability=new.probability, threshold=new.threshold),
        economics_of(platform.settings),
        policy,
    )
    return _Comparison(gate=judge_comparison(compared, policy), compared=compared, rows=proof)


def _read_champion_record(platform: Platform, version: ModelVersion) -> RecordedVersion:
    """Read the champion's record. Raises NotRebuildable when it is missing or was changed."""
    record = find_recorded_version(platform, str(version.version))
    if record.tampered:
        raise NotRebuildable("; ".join(record.tampered))
    return record


def _fail_comparison(evidence: str, rows: Mapping[str, Any] | None = None) -> _Comparison:
    """Return a comparison that is not passed, with the reason as its evidence."""
    gate = GateCondition(name="comparison", passed=False, evidence=evidence)
    return _Comparison(gate=gate, rows=rows or {})


def _prove_unseen(
    predictions_by_version: Mapping[str, UnseenPredictions],
    compared_rows: UnseenPredictions,
    drops: TrainingDrops,
) -> dict[str, Any]:
    """Describe the rows, and prove that no version was trained on their users."""
    training_keys = {
        version: {
            "keys": len(predictions.trained_on.keys),
            "digest": predictions.trained_on.digest,
            "split_salt": predictions.trained_on.salt,
            "holdout_share": predictions.trained_on.share,
            "erased": predictions.trained_on.erased,
        }
        for version, predictions in predictions_by_version.items()
    }
    return {
        "as_of": drops.as_of.isoformat(),
        "label_as_of": drops.label_as_of.isoformat(),
        "known_at": drops.known_at.isoformat(),
        "rows": len(compared_rows.label),
        "positives": int(compared_rows.label.sum()),
        "trained_on": training_keys,
    }
