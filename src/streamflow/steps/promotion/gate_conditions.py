"""Each gate that a challenger has to pass, with its evidence."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from streamflow.core.promotion.gate import OF_EACH_CLASS, Gate, Policy
from streamflow.core.training import honesty, stored_requests
from streamflow.core.training.calibration import calibration_error, perfect_error
from streamflow.errors import ArtifactUntrusted
from streamflow.features.live_table_check import misfits
from streamflow.platform import Platform
from streamflow.steps.promotion.unseen_users import Judged
from streamflow.steps.versions.recorded_version import Recorded

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor

PERFECT = 0.99  # quantile of the calibration error under perfect calibration: one in a hundred good versions is refused
CLOSE = 1e-12  # how far a compiled model may be from what it said when it was trained; forests are equal to the bit


def passport_gate(record: Recorded) -> Gate:
    """The passport is the registered one (else there is no record), and the tags, which the files were held against, are its."""
    whole = (
        f"passport {record.passport_digest[:16]}, its tags and the model file are those registered"
    )
    return Gate(
        name="passport", passed=not record.tampered, evidence="; ".join(record.tampered) or whole
    )


def schema_gate(platform: Platform, record: Recorded) -> Gate:
    """Every feature of the version is in the live views with its type."""
    service = record.passport.features["service"]
    features = platform.services().get(service)
    said = (
        [f"the feature service {service} is not defined here"]
        if features is None
        else misfits(platform.connection, features)
    )
    evidence = (
        "; ".join(said) or f"the live views have all {len(features or ())} features of {service}"
    )
    return Gate(name="schema", passed=not said, evidence=evidence)


def probe_gate(platform: Platform, record: Recorded, predictor: Predictor) -> Gate:
    """The version answers its stored requests as it did when it was trained, one by one."""
    try:
        stored = stored_requests.parse_probes(
            platform.models.run_file(record.version.run_id, stored_requests.FILE)
        )
    except (ArtifactUntrusted, ValueError) as exc:
        return Gate(
            name="probes", passed=False, evidence=f"its stored requests cannot be read: {exc}"
        )
    if stored.features != predictor.features:
        return Gate(
            name="probes",
            passed=False,
            evidence="its stored requests have other features than the model",
        )
    answers = [predictor.probability_one(row) for row in stored.rows]
    apart = [abs(a - p) for a, p in zip(answers, stored.probabilities, strict=True)]
    passed = bool(apart) and max(apart) <= CLOSE
    said = f"{len(apart)} stored requests, answers at most {max(apart, default=0.0):.1e} from those of its training"
    return Gate(name="probes", passed=passed, evidence=said)


def calibration_gate(record: Recorded, judged: Judged, policy: Policy) -> Gate:
    """What it says comes true as often as chance allows, on rows that it has not seen."""
    if record.passport.settings["calibration"] == "none":
        return Gate(
            name="calibration",
            passed=True,
            evidence="the version is not calibrated, by its setting: passed by name",
        )
    positives = int(judged.label.sum())
    if min(positives, len(judged.label) - positives) < OF_EACH_CLASS:
        return Gate(
            name="calibration",
            passed=False,
            evidence=f"{len(judged.label)} unseen rows, {positives} positive: too few",
        )
    error = calibration_error(judged.label, judged.probability)
    bound = perfect_error(judged.probability, level=PERFECT, seed=policy.seed, draws=policy.draws)
    said = f"error {error:.4f} on {len(judged.label):,} unseen rows; perfect calibration stays below {bound:.4f} in {PERFECT:.0%}"
    return Gate(name="calibration", passed=error <= bound, evidence=said)


def honesty_gate(platform: Platform, record: Recorded) -> Gate:
    """The report on its labels that `train` stored, and no other one, has no severe finding."""
    content = platform.models.run_file(record.version.run_id, honesty.FILE)
    if sha256(content).hexdigest() != record.passport.result["honesty"]:
        return Gate(
            name="label honesty",
            passed=False,
            evidence=f"its {honesty.FILE} is not the one that was registered",
        )
    report = honesty.parse_honesty(content)
    severe = "; ".join(finding.words for finding in report.of("severe"))
    return Gate(
        name="label honesty",
        passed=not report.severe,
        evidence=severe or f"as of {report.as_of}: {report.counts}",
    )
