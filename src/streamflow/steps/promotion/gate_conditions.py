"""The conditions that a challenger has to meet by itself, each with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of
from streamflow.core.promotion.gate import MIN_PER_CLASS, GateCondition, GatePolicy
from streamflow.core.training import honesty
from streamflow.core.training.calibration import calibration_error, chance_calibration_error
from streamflow.core.versions.version_files import HONESTY, STORED_REQUESTS
from streamflow.features.live_table_check import describe_misfits
from streamflow.platform import Platform
from streamflow.steps.promotion.unseen_users import UnseenPredictions
from streamflow.steps.versions.recorded_artifacts import (
    describe_changed_artifacts,
    read_recorded_file,
)
from streamflow.steps.versions.registered_version import RecordedVersion

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor

# Quantile of the calibration error under perfect calibration: one in a hundred good versions
# is refused.
CALIBRATION_LEVEL = 0.99


def passport_gate(platform: Platform, record: RecordedVersion) -> GateCondition:
    """Check that the tags and the files of the version are the ones in its passport.

    Reading the record has checked that the passport is the registered one. The files are also those
    that only stock MLflow clients use: they follow the stage, too.
    """
    intact = f"passport {record.passport_digest[:16]}, its tags and its files are as registered"
    problems = [*record.tampered, *describe_changed_artifacts(platform, record)]
    return GateCondition(
        name="passport",
        passed=not problems,
        evidence="; ".join(problems) or intact,
    )


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
    """Check that the version answers its stored requests as it did at its training.

    This is the check that a version has to pass before it answers users, too.
    """
    from streamflow.models.version_check import check_answers

    content = read_recorded_file(platform, record, STORED_REQUESTS)
    if content is None:
        evidence = f"the file {STORED_REQUESTS.name} of the version is lost or was changed"
        return GateCondition(name="probes", passed=False, evidence=evidence)
    check = check_answers(predictor, content)
    agreement = (
        f"{count_of(check.requests, 'stored request')}: "
        f"the probabilities differ from those at training by at most {check.largest_difference:.1e}"
    )
    return GateCondition(
        name="probes",
        passed=not check.problem,
        evidence=check.problem or agreement,
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
    content = read_recorded_file(platform, record, HONESTY)
    if content is None:
        evidence = f"the file {HONESTY.name} of the version is lost or was changed"
        return GateCondition(name="label honesty", passed=False, evidence=evidence)
    report = honesty.parse_honesty(content)
    severe = "; ".join(finding.words for finding in report.with_severity("severe"))
    summary = f"as of {report.as_of}: {report.counts}"
    return GateCondition(name="label honesty", passed=not report.severe, evidence=severe or summary)
