"""compare: name what differs between two versions, and how much each cause changed each metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date

from streamflow.core.data.difference import Difference
from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.core.statistics.shapley import (
    METRIC_NAMES,
    NOT_EXPLAINED,
    MetricChange,
    describe_change,
    explain_change,
)
from streamflow.core.versions.level_comparison import (
    LEVELS,
    Level,
    compare_code,
    compare_environment,
)
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.versions.rebuild_combinations import (
    CONFIGURATION,
    DEFINITIONS,
    FEATURE_DATA,
    LABEL_DATA,
    CombinationScores,
    VersionPair,
    score_combinations,
)
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.steps.versions.registered_version import RecordedVersion
from streamflow.warehouse import frozen

ELSEWHERE = "code or environment"  # one process cannot swap these
ERASED = "rows forgotten since"
ROUNDING_ERROR = 1e-9  # a smaller difference is in the last bits of a sum
FACTOR_NAMES = {
    DEFINITIONS: "the definitions of the features",
    FEATURE_DATA: "the data of the features",
    LABEL_DATA: "the labels",
    CONFIGURATION: "the configuration",
}


@dataclass(frozen=True, kw_only=True)
class ComparedVersion:
    """The number, the run and the drops of one of the two versions."""

    version: int
    run_id: str
    as_of: date
    label_as_of: date


@dataclass(frozen=True, kw_only=True)
class CompareReceipt(Receipt):
    """What differs between two versions, and how it changed the metrics.

    levels     the five levels; in their differences `recorded` is version `a` and `now` is `b`
    metrics    the change of each metric, with shares that add up to it
    rebuilds   how many rebuilds were made
    summary    one sentence about the change of AUC
    notes      what had to be swapped together, and which rebuild is not what was recorded
    """

    a: ComparedVersion
    b: ComparedVersion
    levels: tuple[Level, ...]
    metrics: tuple[MetricChange, ...]
    rebuilds: int
    summary: str
    notes: tuple[str, ...]


def compare(platform: Platform, run_a: str, run_b: str) -> CompareReceipt:
    """Compare two versions by rebuilding every combination of the inputs that differ.

    Each version is named by its number or its run id. Nothing is written.

    Raises:
        VersionMissing: no version has this number or run id
        NotRebuildable: a passport, or an input that it names, is lost or was changed
    """
    a = find_recorded_version(platform, run_a)
    b = find_recorded_version(platform, run_b)
    pair = VersionPair(platform=platform, a=a, b=b)
    levels = _compare_levels(pair)
    scores = score_combinations(pair)
    erased_notes = [*_describe_erased(platform, a), *_describe_erased(platform, b)]
    remainder_name = _name_remainder(levels, erased=bool(erased_notes))
    changes = _explain_metrics(a, b, scores, remainder_name)
    cause_names = {
        cause: _describe_cause(pair, factors) for cause, factors in scores.causes.items()
    }
    return CompareReceipt(
        a=_compared_version(a),
        b=_compared_version(b),
        levels=tuple(levels.values()),
        metrics=changes,
        rebuilds=scores.rebuilds,
        summary=describe_change(changes[0], cause_names),
        notes=(
            *a.tampered,
            *b.tampered,
            *scores.notes,
            *erased_notes,
            *_describe_unequal_rebuilds(a, b, scores),
        ),
    )


def _compare_levels(pair: VersionPair) -> dict[str, Level]:
    """Return the five levels by name, in their order."""
    differences = pair.differences
    a, b = pair.passports
    data_differences = (*differences.get(FEATURE_DATA, ()), *differences.get(LABEL_DATA, ()))
    levels = (
        Level(name="data", differences=data_differences),
        Level(name="features", differences=differences.get(DEFINITIONS, ())),
        compare_code(a.code, b.code),
        compare_environment(a.environment, b.environment),
        Level(name="configuration", differences=differences.get(CONFIGURATION, ())),
    )
    return dict(zip(LEVELS, levels, strict=True))


def _explain_metrics(
    a: RecordedVersion,
    b: RecordedVersion,
    scores: CombinationScores,
    remainder_name: str,
) -> tuple[MetricChange, ...]:
    """Explain the change of every recorded metric by cause. The first metric is AUC."""
    metrics_a = a.passport.result["metrics"]
    metrics_b = b.passport.result["metrics"]
    rebuilt = {causes: asdict(metrics) for causes, metrics in scores.metrics.items()}
    changes = []
    for name in METRIC_NAMES:
        values = {causes: metrics[name] for causes, metrics in rebuilt.items()}
        changes.append(
            explain_change(
                name,
                metrics_a[name],
                metrics_b[name],
                values,
                remainder_cause=remainder_name,
            )
        )
    return tuple(changes)


def _name_remainder(levels: Mapping[str, Level], *, erased: bool) -> str:
    """Name the causes of that part of a change which the rebuilds do not reproduce."""
    causes = []
    if not (levels["code"].is_same and levels["environment"].is_same):
        causes.append(ELSEWHERE)
    if erased:
        causes.append(ERASED)
    return " or ".join(causes) or NOT_EXPLAINED


def _describe_erased(platform: Platform, record: RecordedVersion) -> Iterator[str]:
    """Name the revisions that `forget` took rows from: a rebuild does not have these rows.

    Yields one sentence, or nothing.
    """
    digests = {
        (revision.table, revision.as_of, revision.revision): revision.digest
        for revision in frozen.all_revisions(platform.connection)
    }
    changed = [
        str(source)
        for source in record.passport.sources
        if digests.get(source.revision_key) != source.digest
    ]
    if changed:
        version = record.version.version
        yield f"rows were forgotten since version {version} was trained: {'; '.join(changed)}"


def _describe_unequal_rebuilds(
    a: RecordedVersion,
    b: RecordedVersion,
    scores: CombinationScores,
) -> Iterator[str]:
    """Name the metrics that are not reproduced here: the shares come from the rebuilds."""
    yield from _describe_unequal_rebuild(a, scores.metrics[frozenset()])
    yield from _describe_unequal_rebuild(b, scores.metrics[frozenset(scores.causes)])


def _describe_unequal_rebuild(
    record: RecordedVersion,
    rebuilt_metrics: HoldoutMetrics,
) -> Iterator[str]:
    recorded_metrics = record.passport.result["metrics"]
    rebuilt = asdict(rebuilt_metrics)
    changed = []
    for name, title in METRIC_NAMES.items():
        if abs(rebuilt[name] - recorded_metrics[name]) > ROUNDING_ERROR:
            changed.append(f"{title} {rebuilt[name]:.4f} instead of {recorded_metrics[name]:.4f}")
    if changed:
        yield (
            f"version {record.version.version}, rebuilt here, has {', '.join(changed)}:"
            " the shares are computed with the code at hand"
        )


def _describe_cause(pair: VersionPair, factors: tuple[str, ...]) -> str:
    """Name the factors of a cause, each with its first difference."""
    descriptions = []
    for factor in factors:
        first = _describe_first(pair.differences[factor])
        descriptions.append(f"{FACTOR_NAMES[factor]} ({first})")
    return " with ".join(descriptions)


def _describe_first(differences: tuple[Difference, ...]) -> str:
    """Describe the first difference, and say how many more there are."""
    first = differences[0]
    if first.recorded is None:
        sentence = f"{first.what} was added"
    elif first.now is None:
        sentence = f"{first.what} was removed"
    else:
        sentence = f"{first.what}: {first.now} instead of {first.recorded}"
    hidden = len(differences) - 1
    return f"{sentence}, and {hidden} more" if hidden else sentence


def _compared_version(record: RecordedVersion) -> ComparedVersion:
    return ComparedVersion(
        version=record.version.version,
        run_id=record.version.run_id,
        as_of=record.passport.as_of.date(),
        label_as_of=record.passport.label_as_of.date(),
    )
