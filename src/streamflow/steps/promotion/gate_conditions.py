"""The conditions that a challenger has to meet by itself, each with its evidence."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of
from streamflow.core.promotion.gate import MIN_PER_CLASS, GateCondition, GatePolicy
from streamflow.core.training import honesty, stored_requests
from streamflow.core.training.calibration import calibration_error, chance_calibration_error
from streamflow.errors import ArtifactUntrusted
from streamflow.features.live_table_check import describe_misfits
from streamflow.platform import Platform
from streamflow.steps.promotion.unseen_users import UnseenPredictions
from streamflow.steps.versions.recorded_version import RecordedVersion

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor

# Quantile of the calibration error under perfect calibration: one in a hundred good versions
# is refused.
CALIBRATION_LEVEL = 0.99
# Largest allowed distance between a compiled model's probability now and at its training.
# Forests are equal to the last bit.
PROBABILITY_TOLERANCE = 1e-12


def passport_gate(record: RecordedVersion) -> GateCondition:
    """Check that the tags of the version are the ones in its passport.

    Reading the record has checked that the passport is the registered one, and loading the model
    has checked the files against the tags.
    """
    intact = (
        f"passport {record.passport_digest[:16]}, its tags and the model file are as registered"
    )
    evidence = "; ".join(record.tampered) or intact
    return GateCondition(name="passport", passed=not record.tampered, evidence=evidence)


def schema_gate(platform: Platform, record: RecordedVersion) -> GateCondition:
    """Check that the live views have every feature of the version with its type."""
    service = record.passport.features["service"]
    features = platform.read_services().get(service)
    if features is None:
        problems = [f"the feature service {service} is not defined here"]
    else:
        problems = describe_misfits(platform.connection, features)
    complete = f"the live views have all {count_of(len(features or ()), 'feature')} of {service}"
    return GateCondition(
        name="schema",
        passed=not problems,
        evidence="; ".join(problems) or complete,
    )


def probe_gate(platform: Platform, record: RecordedVersion, predictor: Predictor) -> GateCondition:
    """Check that the version answers its stored requests, one by one, as it did at its training."""
    try:
        content = platform.models.read_run_file(record.version.run_id, stored_requests.FILE)
        stored = stored_requests.parse_probes(content)
    except (ArtifactUntrusted, ValueError) as exc:
        evidence = f"the stored requests of the version cannot be read: {exc}"
        return GateCondition(name="probes", passed=False, evidence=evidence)
    if stored.features != predictor.features:
        evidence = "the stored requests have different features from the model"
        return GateCondition(name="probes", passed=False, evidence=evidence)
    probabilities = [predictor.probability_one(row) for row in stored.rows]
    pairs = zip(probabilities, stored.probabilities, strict=True)
    distances = [abs(probability - at_training) for probability, at_training in pairs]
    largest = max(distances, default=0.0)
    return GateCondition(
        name="probes",
        passed=bool(distances) and largest <= PROBABILITY_TOLERANCE,
        evidence=f"{count_of(len(distances), 'stored request')}: "
        f"the probabilities differ from those at training by at most {largest:.1e}",
    )


def calibration_gate(
    record: RecordedVersion,
    predictions: UnseenPredictions,
    policy: GatePolicy,
) -> GateCondition:
    """Check on unseen rows that the calibration error is no larger than chance explains."""
    if record.passport.settings["calibration"] == "none":
        evidence = "passed without a check: the settings of the version say no calibration"
        return GateCondition(name="calibration", passed=True, evidence=evidence)
    rows = len(predictions.label)
    positives = int(predictions.label.sum())
    if min(positives, rows - positives) < MIN_PER_CLASS:
        evidence = f"{rows} unseen rows, {positives} positive: too few"
        return GateCondition(name="calibration", passed=False, evidence=evidence)
    error = calibration_error(predictions.label, predictions.probability)
    bound = chance_calibration_error(
        predictions.probability,
        level=CALIBRATION_LEVEL,
        seed=policy.seed,
        draws=policy.draws,
    )
    return GateCondition(
        name="calibration",
        passed=error <= bound,
        evidence=f"error {error:.4f} on {count_of(rows, 'unseen row')}; "
        f"a perfectly calibrated model stays below {bound:.4f}"
        f" in {CALIBRATION_LEVEL:.0%} of the cases",
    )


def honesty_gate(platform: Platform, record: RecordedVersion) -> GateCondition:
    """Check that the label report that `train` stored has no severe finding.

    A report that is not the registered one fails the gate.
    """
    content = platform.models.read_run_file(record.version.run_id, honesty.FILE)
    if sha256(content).hexdigest() != record.passport.result["honesty"]:
        evidence = f"the file {honesty.FILE} of the version is not the registered one"
        return GateCondition(name="label honesty", passed=False, evidence=evidence)
    report = honesty.parse_honesty(content)
    severe = "; ".join(finding.words for finding in report.with_severity("severe"))
    summary = f"as of {report.as_of}: {report.counts}"
    return GateCondition(name="label honesty", passed=not report.severe, evidence=severe or summary)
