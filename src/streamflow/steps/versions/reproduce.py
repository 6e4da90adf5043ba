"""reproduce: make a version again from its passport and compare it with the record.

If the rebuild differs, the receipt names the levels that drifted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from streamflow.core.data.counts import count_of
from streamflow.core.data.difference import Difference
from streamflow.core.versions.level_comparison import (
    Level,
    compare_code,
    compare_configuration,
    compare_environment,
    compare_features,
    describe_uncompared,
)
from streamflow.core.versions.passport import Passport
from streamflow.core.versions.version_files import describe_unchecked
from streamflow.errors import TrainingImpossible
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.observed import observed
from streamflow.steps.training.current_levels import CurrentLevels, read_current_levels
from streamflow.steps.training.fit import Fitted, fit, result_of
from streamflow.steps.versions.data_level import VerifiedRows, verify_frozen_rows
from streamflow.steps.versions.rebuild_verdict import (
    DIFFERS,
    UNEXPLAINED,
    RebuildVerdict,
    judge_rebuild,
    name_result,
)
from streamflow.steps.versions.rebuilt_training_set import rebuild_training_set
from streamflow.steps.versions.recorded_artifacts import describe_changed_artifacts
from streamflow.steps.versions.recorded_version import (
    find_recorded_version,
    platform_as_recorded,
    without_progress,
)
from streamflow.steps.versions.registered_version import RecordedVersion

SHOWN = 20  # a receipt lists this many differences of a level; `count` is the number of all


@dataclass(frozen=True, kw_only=True)
class LevelVerdict:
    """The verdict on one level: "same" or "drifted".

    differences   the first SHOWN differences, which a person can act on
    count         how many differences there are
    """

    name: str
    verdict: str
    differences: tuple[Difference, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class ReproduceReceipt(Receipt):
    """The result of making a version again. Nothing was written.

    result              "identical", "within the declared tolerance", "differs", or
                        "differs although no level drifted"
    differences         how the result differs, as sentences; the first is nearest to the cause
    largest_difference  of the hold-out's probabilities; None when the recorded ones are lost
    tampered            which parts of the version are no longer what was registered
    notes               what could not be checked, and why
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
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the rebuild is the same as the version, and the version's record unchanged."""
        return self.result not in (DIFFERS, UNEXPLAINED) and not self.tampered


@observed("reproduce")
def reproduce(platform: Platform, version_or_run: str) -> ReproduceReceipt:
    """Make a version again with the code at hand.

    The revisions and the settings are those that its passport names.

    Args:
        platform: the open platform
        version_or_run: the number of the version, or the id of its run

    Raises:
        VersionMissing: no version has this number or run id
        NotRebuildable: an input of the version is gone
    """
    begin = time.perf_counter()
    record = find_recorded_version(platform, version_or_run)
    passport = record.passport
    recorded_platform = platform_as_recorded(platform, passport)
    verified_rows = verify_frozen_rows(recorded_platform, passport)
    verdict = _rebuild(recorded_platform, record, verified_rows)
    current_levels = read_current_levels(platform)
    levels = (verified_rows.level, *compare_levels(passport, current_levels))
    return ReproduceReceipt(
        model=platform.catalog.model,
        version=record.version.version,
        run_id=record.version.run_id,
        as_of=passport.as_of,
        label_as_of=passport.label_as_of,
        known_at=passport.known_at,
        result=name_result(verdict.result, is_drifted=not all(level.is_same for level in levels)),
        differences=verdict.differences,
        largest_difference=verdict.largest_difference,
        tolerance=platform.settings.reproduce_tolerance,
        predictions=passport.result["holdout_keys"]["rows"],
        levels=tuple(verdict_of(level) for level in levels),
        tampered=(*record.tampered, *describe_changed_artifacts(platform, record)),
        code="at hand",
        seconds=time.perf_counter() - begin,
        notes=describe_gaps(passport, current_levels),
    )


def describe_gaps(passport: Passport, current: CurrentLevels) -> tuple[str, ...]:
    """Say what an older passport does not have, so that it was not compared."""
    return (
        *describe_unchecked(passport),
        *describe_uncompared(passport.environment, current.environment),
    )


def _rebuild(
    recorded_platform: Platform,
    record: RecordedVersion,
    verified_rows: VerifiedRows,
) -> RebuildVerdict:
    """Train again on what the revisions contain now, and compare the result with the record.

    If these rows can no longer be trained on, the result differs.
    """
    recorded_platform.notify("assembling the training set")
    try:
        rows = rebuild_training_set(
            recorded_platform,
            record.passport,
            read_rows=verified_rows.read_rows,
        )
        recorded_platform.notify(f"training on {count_of(rows.row_count, 'row')}")
        fitted = fit(without_progress(recorded_platform), rows)
    except TrainingImpossible as exc:
        sentences = tuple(exc.message.splitlines())
        return RebuildVerdict(result=DIFFERS, differences=sentences, largest_difference=None)
    rebuilt_result = {**result_of(rows, fitted), "model": {"content": _content_digest(fitted)}}
    return judge_rebuild(recorded_platform, record, rebuilt_result, fitted)


def verdict_of(level: Level) -> LevelVerdict:
    """Return the verdict on a level as the receipt shows it."""
    return LevelVerdict(
        name=level.name,
        verdict=level.verdict,
        differences=level.differences[:SHOWN],
        count=len(level.differences),
    )


def compare_levels(passport: Passport, current: CurrentLevels) -> tuple[Level, ...]:
    """Compare every level but the data with a passport."""
    return (
        compare_features(passport.features, current.features),
        compare_code(passport.code, current.code),
        compare_environment(passport.environment, current.environment),
        compare_configuration(passport.configuration, current.configuration),
    )


def _content_digest(fitted: Fitted) -> str:
    from streamflow.models.model_file import content_digest

    return content_digest(fitted.pipeline)
