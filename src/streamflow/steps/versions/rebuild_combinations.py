"""Between two versions: each rebuild that takes some of its inputs from the one and the rest from the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from streamflow.catalog import Catalog
from streamflow.core.data.difference import Difference
from streamflow.core.statistics.metrics import Metrics
from streamflow.core.statistics.shapley import combinations
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.data_comparison import (
    feature_differences,
    label_differences,
    lacking_features,
    lacking_labels,
)
from streamflow.core.versions.level_comparison import compare_configuration, compare_features
from streamflow.core.versions.passport import Passport
from streamflow.errors import TrainingImpossible
from streamflow.platform import Platform
from streamflow.steps.training.fit import fit
from streamflow.steps.training.training_set import revisions_read
from streamflow.steps.versions.recorded_version import Recorded, as_recorded, rebuilt_set
from streamflow.warehouse import frozen

DEFINITIONS, FEATURE_DATA, LABEL_DATA, CONFIGURATION = (
    "features",
    "data: features",
    "data: labels",
    "configuration",
)
FACTORS = (
    DEFINITIONS,
    FEATURE_DATA,
    LABEL_DATA,
    CONFIGURATION,
)  # what a rebuild can take from either version

Causes = Mapping[str, tuple[str, ...]]  # cause -> the factors that are swapped with it
Done = dict[frozenset[str], Metrics]  # swapped factors -> what that rebuild scores


@dataclass(frozen=True, kw_only=True)
class Between:
    """Two versions, and what lies between them. A set of factors names a rebuild: these are those of `b`, the others of `a`.

    Each passport names, beside the revisions that its version was trained on, those that the other's definitions would have
    read at the same instant, as known then: a table or an older drop that only one of the two reads is not another content.
    """

    platform: Platform
    a: Recorded
    b: Recorded

    @cached_property
    def catalogs(self) -> tuple[Catalog, Catalog]:
        """The definitions of both, as recorded. Raises NotRebuildable where this code refuses them."""
        a, b = (as_recorded(self.platform, side.passport).catalog for side in (self.a, self.b))
        return a, b

    @cached_property
    def passports(self) -> tuple[Passport, Passport]:
        """Both, each with the revisions that either's definitions read."""
        (of_a, of_b), a, b = self.catalogs, self.a.passport, self.b.passport
        return self._widened(a, of_b), self._widened(b, of_a)

    @cached_property
    def differences(self) -> dict[str, tuple[Difference, ...]]:
        """Each factor that differs, with its differences."""
        (a, b), catalogs = self.passports, self.catalogs
        found = {
            DEFINITIONS: compare_features(a.features, b.features).differences,
            FEATURE_DATA: feature_differences(a, b, catalogs),
            LABEL_DATA: label_differences(a, b, catalogs),
            CONFIGURATION: compare_configuration(a.configuration, b.configuration).differences,
        }
        return {factor: differences for factor, differences in found.items() if differences}

    def require_readable(self, swapped: frozenset[str]) -> None:
        """Raise TrainingImpossible where the definitions of one version read what the data of the other do not have."""
        own, catalog = self._of(DEFINITIONS, swapped), self.catalogs[DEFINITIONS in swapped]
        lacking = lacking_features(catalog, own, self._of(FEATURE_DATA, swapped))
        lacking += lacking_labels(catalog, own, self._of(LABEL_DATA, swapped))
        if lacking:
            mine, other = self._names if DEFINITIONS in swapped else self._names[::-1]
            raise TrainingImpossible(
                f"the definitions of {other} read {', '.join(lacking)}, which the data of {mine} do not have"
            )

    def scored(self, swapped: frozenset[str]) -> Metrics:
        """The metrics of a rebuild. Raises TrainingImpossible where there is none, NotRebuildable where frozen rows are gone."""
        platform = as_recorded(
            self.platform,
            replace(
                self._of(DEFINITIONS, swapped),
                configuration=self._of(CONFIGURATION, swapped).configuration,
            ),
        )
        try:
            return fit(platform, self._last_set(swapped - {CONFIGURATION})).metrics
        except TrainingImpossible as problem:
            raise TrainingImpossible(f"{self.in_words(swapped)}: {problem.message}") from problem

    @cached_property
    def _last_set(self) -> Callable[[frozenset[str]], TrainingSet]:
        """Makes a training set, and keeps the last one: as the configuration changes fastest, each is made once."""

        def made(swapped: frozenset[str]) -> TrainingSet:
            platform = as_recorded(self.platform, self._of(DEFINITIONS, swapped))
            return rebuilt_set(
                platform, self._of(FEATURE_DATA, swapped), labels_of=self._of(LABEL_DATA, swapped)
            )

        return lru_cache(maxsize=1)(made)

    def in_words(self, swapped: frozenset[str]) -> str:
        """Which rebuild it is."""
        a, b = self._names
        if not swapped:
            return a
        return (
            b
            if swapped == self.differences.keys()
            else f"{a} with {', '.join(f for f in FACTORS if f in swapped)} of {b}"
        )

    @property
    def _names(self) -> tuple[str, str]:
        return f"version {self.a.version.version}", f"version {self.b.version.version}"

    def _of(self, factor: str, swapped: frozenset[str]) -> Passport:
        return self.passports[factor in swapped]

    def _widened(self, passport: Passport, catalog: Catalog) -> Passport:
        there = {(s.table, s.as_of) for s in passport.sources}
        known = frozen.revisions(self.platform.connection, known_at=passport.known_at)
        read = revisions_read(catalog, known, passport.as_of, passport.label_as_of)
        more = frozen.sources(
            self.platform.connection, [r for r in read if (r.table, r.as_of) not in there]
        )
        return replace(passport, sources=(*passport.sources, *more))


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The metrics of every combination of causes. notes: which factors had to be swapped together, and why."""

    metrics: Mapping[frozenset[str], Metrics]
    causes: Causes
    notes: tuple[str, ...]
    rebuilds: int


def score_all(between: Between, *, notify: Callable[[str], None]) -> Scores:
    """Rebuild every combination of the factors that differ, each a cause of its own where all of its combinations can be built.

    Where one cannot (definitions read a column that the other version's data do not have, labels know none of its users),
    the first two factors become one cause, then the first three: nothing is guessed. Raises NotRebuildable.
    """
    differing = tuple(f for f in FACTORS if f in between.differences)
    attempts = [_causes(differing, together) for together in range(1, len(differing) + 1)]
    return _first_possible(between, attempts or [{}], {}, (), notify)


def _first_possible(
    between: Between,
    attempts: Sequence[Causes],
    done: Done,
    notes: tuple[str, ...],
    notify: Callable[[str], None],
) -> Scores:
    """The scores of the first attempt that works; what was rebuilt for an earlier one is not rebuilt again."""
    causes, *coarser = attempts
    problem = _score(between, causes, done, notify)
    if problem is None:
        metrics = {some: done[_swapped(causes, some)] for some in combinations(list(causes))}
        return Scores(metrics=metrics, causes=causes, notes=notes, rebuilds=len(done))
    if not coarser:
        raise problem
    note = f"{problem.message}: '{next(iter(coarser[0]))}' is swapped as one"
    return _first_possible(between, coarser, done, (*notes, note), notify)


def _causes(differing: tuple[str, ...], together: int) -> Causes:
    """Cause -> its factors: the first `together` of them are one."""
    groups = [differing[:together], *((factor,) for factor in differing[together:])]
    return {" with ".join(group): group for group in groups}


def _swapped(causes: Causes, some: frozenset[str]) -> frozenset[str]:
    return frozenset(factor for cause in some for factor in causes[cause])


def _score(
    between: Between, causes: Causes, done: Done, notify: Callable[[str], None]
) -> TrainingImpossible | None:
    """Add to `done` what it lacks of the combinations; what makes one impossible is returned, and said by the caller."""
    wanted = [_swapped(causes, some) for some in combinations(list(causes))]
    try:
        for swapped in wanted:
            between.require_readable(swapped)
        for number, swapped in enumerate(wanted, 1):
            if swapped not in done:
                notify(f"rebuild {number} of {len(wanted)}: {between.in_words(swapped)}")
                done[swapped] = between.scored(swapped)
    except TrainingImpossible as problem:
        return problem
    return None
