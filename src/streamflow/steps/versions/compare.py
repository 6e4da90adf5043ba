"""compare: what differs between two versions, and which share of the change of each metric each cause is responsible for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date

from streamflow.core.data.difference import Difference
from streamflow.core.statistics.shapley import METRICS, NOT_EXPLAINED, Change, explained, in_words
from streamflow.core.versions.level_comparison import (
    LEVELS,
    Level,
    compare_code,
    compare_environment,
)
from streamflow.platform import Platform
from streamflow.steps.versions.rebuild_combinations import (
    CONFIGURATION,
    DEFINITIONS,
    FEATURE_DATA,
    LABEL_DATA,
    Between,
    Scores,
    score_all,
)
from streamflow.steps.versions.recorded_version import Recorded, recorded
from streamflow.warehouse import frozen

ELSEWHERE = "code or environment"  # what one process cannot swap
ERASED = "rows forgotten since"
BITS = 1e-9  # a rebuild that differs by less differs in the last bits of a sum
SAID = {
    DEFINITIONS: "the definitions of the features",
    FEATURE_DATA: "the data of the features",
    LABEL_DATA: "the labels",
    CONFIGURATION: "the configuration",
}


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two versions."""

    version: int
    run_id: str
    as_of: date
    label_as_of: date


@dataclass(frozen=True, kw_only=True)
class CompareReceipt:
    """What differs and what it did.

    levels     the five; in their differences `recorded` is `a` and `now` is `b`
    metrics    the change of each, its shares adding up to it
    rebuilds   how many were made
    words      the change of AUC in a sentence
    notes      what had to be swapped together, and where a rebuild is not what was recorded
    """

    a: Side
    b: Side
    levels: tuple[Level, ...]
    metrics: tuple[Change, ...]
    rebuilds: int
    words: str
    notes: tuple[str, ...]


def compare(
    platform: Platform, run_a: str, run_b: str, *, notify: Callable[[str], None] = lambda _: None
) -> CompareReceipt:
    """Compare two versions, each named by its number or run id, by rebuilding every combination of what differs.

    Nothing is written. Raises VersionMissing, and NotRebuildable when a passport, or what it names, is lost or changed.
    """
    a, b = recorded(platform, run_a), recorded(platform, run_b)
    between = Between(platform=platform, a=a, b=b)
    levels = _levels(between)
    scores = score_all(between, notify=notify)
    erased = [*_erased(platform, a), *_erased(platform, b)]
    changes = _changes(a, b, scores, _elsewhere(levels, erased=bool(erased)))
    return CompareReceipt(
        a=_side(a),
        b=_side(b),
        levels=tuple(levels.values()),
        metrics=changes,
        rebuilds=scores.rebuilds,
        words=in_words(
            changes[0], {cause: _said(between, factors) for cause, factors in scores.causes.items()}
        ),
        notes=(*a.tampered, *b.tampered, *scores.notes, *erased, *_rebuilt_otherwise(a, b, scores)),
    )


def _levels(between: Between) -> dict[str, Level]:
    """The five levels by name, in their order."""
    found, (a, b) = between.differences, between.passports
    there = (
        Level(name="data", differences=(*found.get(FEATURE_DATA, ()), *found.get(LABEL_DATA, ()))),
        Level(name="features", differences=found.get(DEFINITIONS, ())),
        compare_code(a.code, b.code),
        compare_environment(a.environment, b.environment),
        Level(name="configuration", differences=found.get(CONFIGURATION, ())),
    )
    return dict(zip(LEVELS, there, strict=True))


def _changes(a: Recorded, b: Recorded, scores: Scores, elsewhere: str) -> tuple[Change, ...]:
    """Every metric as it was recorded, its change by cause. The first is AUC."""
    values = {some: asdict(metrics) for some, metrics in scores.metrics.items()}
    recorded_a, recorded_b = a.passport.result["metrics"], b.passport.result["metrics"]
    return tuple(
        explained(
            name,
            recorded_a[name],
            recorded_b[name],
            {s: v[name] for s, v in values.items()},
            elsewhere=elsewhere,
        )
        for name in METRICS
    )


def _elsewhere(levels: Mapping[str, Level], *, erased: bool) -> str:
    """What can be responsible for that part of a change which the rebuilds do not make again."""
    suspects = ([] if levels["code"].same and levels["environment"].same else [ELSEWHERE]) + (
        [ERASED] if erased else []
    )
    return " or ".join(suspects) or NOT_EXPLAINED


def _erased(platform: Platform, of: Recorded) -> Iterator[str]:
    """The revisions that `forget` has taken rows from since: a rebuild does not have them."""
    now = {
        (r.table, r.as_of, r.revision): r.digest for r in frozen.all_revisions(platform.connection)
    }
    changed = [str(s) for s in of.passport.sources if now.get(s.place) != s.digest]
    if changed:
        yield f"since version {of.version.version} was trained, rows were forgotten: {'; '.join(changed)}"


def _rebuilt_otherwise(a: Recorded, b: Recorded, scores: Scores) -> Iterator[str]:
    """Where what was recorded cannot be made again here: shares are those of the rebuilds."""
    for side, metrics in (
        (a, scores.metrics[frozenset()]),
        (b, scores.metrics[frozenset(scores.causes)]),
    ):
        was, now = side.passport.result["metrics"], asdict(metrics)
        changed = [
            f"{METRICS[m]} {now[m]:.4f} instead of {was[m]:.4f}"
            for m in METRICS
            if abs(now[m] - was[m]) > BITS
        ]
        if changed:
            yield f"version {side.version.version} rebuilt here has {', '.join(changed)}: the shares are those of the code at hand"


def _said(between: Between, factors: tuple[str, ...]) -> str:
    """A cause in words, each factor with its first difference."""
    return " with ".join(f"{SAID[f]} ({_first(between.differences[f])})" for f in factors)


def _first(differences: tuple[Difference, ...]) -> str:
    first, more = differences[0], len(differences) - 1
    if first.recorded is None or first.now is None:
        text = f"{first.what} is {'new' if first.recorded is None else 'gone'}"
    else:
        text = f"{first.what}: {first.now} instead of {first.recorded}"
    return f"{text}, and {more} more" if more else text


def _side(of: Recorded) -> Side:
    return Side(
        version=of.version.version,
        run_id=of.version.run_id,
        as_of=of.passport.as_of.date(),
        label_as_of=of.passport.label_as_of.date(),
    )
