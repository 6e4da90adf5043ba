"""reproduce: make a version again from its passport, and say whether it is the same and, if not, which level drifted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streamflow.core.data.difference import Difference
from streamflow.core.training import (
    decision,
    default_costs,
    holdout_probabilities,
    honesty,
    stored_requests,
)
from streamflow.core.versions.level_comparison import (
    Level,
    compare_code,
    compare_configuration,
    compare_environment,
    compare_features,
)
from streamflow.core.versions.passport import Passport
from streamflow.errors import ArtifactUntrusted, TrainingImpossible
from streamflow.platform import Platform
from streamflow.steps.training.current_levels import Present, present
from streamflow.steps.training.fit import Fitted, fit, result_of
from streamflow.steps.versions.data_level import Examined, examine
from streamflow.steps.versions.recorded_version import Recorded, as_recorded, rebuilt_set, recorded

IDENTICAL, WITHIN, DIFFERS = "identical", "within the declared tolerance", "differs"
SHOWN = 20  # differences of one level that a receipt lists; the count is that of all


@dataclass(frozen=True, kw_only=True)
class LevelVerdict:
    """One level: "same" or "drifted", the first differences that a person can act on, and how many there are."""

    name: str
    verdict: str
    differences: tuple[Difference, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class ReproduceReceipt:
    """What came of making a version again. Nothing was written.

    result              "identical", "within the declared tolerance" or "differs"
    differences         of the result, in words; the first is nearest to the cause
    largest_difference  of the hold-out's probabilities; None where the recorded ones are not to be had
    tampered            what of the version itself is no longer what was registered
    code                "at hand", or the commit that was run
    """

    model: str
    version: int
    run_id: str
    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    result: str
    differences: tuple[str, ...]
    largest_difference: float | None
    tolerance: float
    predictions: int
    levels: tuple[LevelVerdict, ...]
    tampered: tuple[str, ...]
    code: str
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the version is what its passport says: made again the same, and its record untouched."""
        return self.result != DIFFERS and not self.tampered


def reproduce(
    platform: Platform, which: str, *, notify: Callable[[str], None] = lambda _: None
) -> ReproduceReceipt:
    """Make a version (its number or run id) again with the code at hand, from the revisions and settings of its passport.

    Raises VersionMissing, and NotRebuildable when something that it was made from is gone.
    """
    begin = time.perf_counter()
    record = recorded(platform, which)
    passport = record.passport
    then = as_recorded(platform, passport)
    data = examine(then, passport, notify=notify)
    made = _made_again(then, record, data, notify)
    levels = (data.level, *compare_levels(passport, present(platform)))
    return ReproduceReceipt(
        model=platform.catalog.model,
        version=record.version.version,
        run_id=record.version.run_id,
        as_of=passport.as_of,
        label_as_of=passport.label_as_of,
        known_at=passport.known_at,
        **vars(made),
        tolerance=platform.settings.reproduce_tolerance,
        predictions=passport.result["holdout_keys"]["rows"],
        levels=tuple(verdict_of(level) for level in levels),
        tampered=(*record.tampered, *changed_artifacts(platform, record)),
        code="at hand",
        seconds=time.perf_counter() - begin,
    )


@dataclass(frozen=True, kw_only=True)
class Made:
    """The verdict on the result."""

    result: str
    differences: tuple[str, ...]
    largest_difference: float | None


def _made_again(
    then: Platform, record: Recorded, data: Examined, notify: Callable[[str], None]
) -> Made:
    """Train again on what the revisions hold now. Rows that can no longer be trained on are a result that differs."""
    notify("assembling the training set")
    try:
        rows = rebuilt_set(then, record.passport, read=data.read)
        notify(f"training on {len(rows.frame):,} rows")
        fitted = fit(then, rows)
    except TrainingImpossible as exc:
        return Made(
            result=DIFFERS, differences=tuple(exc.message.splitlines()), largest_difference=None
        )
    found = {**result_of(rows, fitted), "model": {"content": _content(fitted)}}
    return _judge(then, record, found, fitted)


def verdict_of(level: Level) -> LevelVerdict:
    """A level for the receipt."""
    return LevelVerdict(
        name=level.name,
        verdict=level.verdict,
        differences=level.differences[:SHOWN],
        count=len(level.differences),
    )


def compare_levels(passport: Passport, now: Present) -> tuple[Level, ...]:
    """Every level but the data."""
    return (
        compare_features(passport.features, now.features),
        compare_code(passport.code, now.code),
        compare_environment(passport.environment, now.environment),
        compare_configuration(passport.configuration, now.configuration),
    )


def _content(fitted: Fitted) -> str:
    from streamflow.models.model_file import content_digest

    return content_digest(fitted.pipeline)


def _judge(platform: Platform, record: Recorded, found: Mapping[str, Any], fitted: Fitted) -> Made:
    """What of the result differs, and by how much its probabilities do."""
    differences = tuple(_differences(record.passport.result, found))
    if not differences:
        return Made(result=IDENTICAL, differences=(), largest_difference=0.0)
    before = _recorded_probabilities(platform, record)
    largest = (
        None
        if before is None
        else holdout_probabilities.largest_difference(before, fitted.probability)
    )
    learned = all(
        d.startswith(("the model", "the predictions", "the metric")) for d in differences
    )  # from the same rows
    within = learned and largest is not None and largest <= platform.settings.reproduce_tolerance
    return Made(
        result=WITHIN if within else DIFFERS, differences=differences, largest_difference=largest
    )


def _differences(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What of a result is not as recorded, from the training set on to the metrics."""
    before, after = recorded["training_set"], found["training_set"]
    said = []
    if before["rows"] != after["rows"]:
        said.append(f"the training set has {after['rows']:,} rows, recorded are {before['rows']:,}")
    was, now = before["columns"], after["columns"]
    said += [
        f"the training set's column {name} is another"
        for name in {**was, **now}
        if was.get(name) != now.get(name)
    ]
    if before["digest"] != after["digest"] and not said:
        said.append("the training set's keys are others")
    said += [
        f"the {side} keys are others"
        for side in ("training", "holdout")
        if recorded[f"{side}_keys"] != found[f"{side}_keys"]
    ]
    if recorded["model"]["content"] != found["model"]["content"]:
        said.append("the model has learned something else")
    if recorded["model_kind"] != found["model_kind"]:
        said.append(
            f"the model is of the kind {found['model_kind']}, recorded is {recorded['model_kind']}"
        )
    elif recorded["candidates"] != found["candidates"]:
        said.append("the model was chosen by other cross-validated AUCs")
    if recorded["decision"] != found["decision"]:
        said.append("the predictions' calibrator or threshold is another")
    if recorded["predictions"] != found["predictions"]:
        said.append("the predictions of the hold-out are others")
    metrics = recorded["metrics"]
    said += [
        f"the metric {name} is {value!r}, recorded is {metrics.get(name)!r}"
        for name, value in found["metrics"].items()
        if json.dumps(value) != json.dumps(metrics.get(name))
    ]
    if recorded.get("default_costs") != found.get("default_costs"):
        said.append("the metrics with the catalog's defaults are others")
    return said


def _recorded_probabilities(
    platform: Platform, record: Recorded
) -> holdout_probabilities.Floats | None:
    """Those that the version had when it was trained, if its file still holds them."""
    try:
        found = holdout_probabilities.from_bytes(
            platform.models.run_file(record.version.run_id, holdout_probabilities.FILE)
        )
    except (ArtifactUntrusted, ValueError):
        return None  # told as a changed artifact
    return (
        found
        if holdout_probabilities.digest(found) == record.passport.result["predictions"]
        else None
    )


def changed_artifacts(platform: Platform, record: Recorded) -> list[str]:
    """The files of the version that are lost, or not what was registered."""
    from streamflow.models.model_file import file_digest

    said, version = [], record.version.version
    expected = record.passport.result["model"]["file"]
    with TemporaryDirectory() as folder:
        try:
            digest = file_digest(platform.models.download(record.version, Path(folder)))
            if digest != expected:
                said.append(
                    f"the model file of version {version} was changed: its digest is {digest}, registered was {expected}"
                )
        except ArtifactUntrusted as exc:
            said.append(exc.message)
    if _recorded_probabilities(platform, record) is None:
        said.append(
            f"the file {holdout_probabilities.FILE} of version {version} is lost or was changed"
        )
    result = record.passport.result
    files = {
        decision.FILE: result["decision"]["digest"],
        stored_requests.FILE: result["probes"],
        honesty.FILE: result["honesty"],
    }
    files |= {default_costs.FILE: result["default_costs"]} if "default_costs" in result else {}
    for name, digest in files.items():
        if not _is_unchanged(platform, record, name, digest):
            said.append(f"the file {name} of version {version} is lost or was changed")
    return said


def _is_unchanged(platform: Platform, record: Recorded, name: str, digest: str) -> bool:
    try:
        return sha256(platform.models.run_file(record.version.run_id, name)).hexdigest() == digest
    except ArtifactUntrusted:
        return False
