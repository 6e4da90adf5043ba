"""Rebuild mixtures of two versions: each takes some inputs from version `a`, the rest from `b`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from streamflow.catalog import Catalog
from streamflow.core.data.difference import Difference
from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.core.statistics.shapley import combinations
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.data_comparison import (
    feature_differences,
    label_differences,
    missing_features,
    missing_labels,
)
from streamflow.core.versions.level_comparison import compare_configuration, compare_features
from streamflow.core.versions.passport import Passport, merge_months
from streamflow.errors import TrainingImpossible
from streamflow.platform import Platform
from streamflow.steps.training.training_set import select_revisions
from streamflow.steps.versions.rebuild_trainings import RebuildTrainings
from streamflow.steps.versions.rebuilt_training_set import (
    rebuild_training_set,
    require_equal_months,
)
from streamflow.steps.versions.recorded_version import (
    platform_as_recorded,
    without_progress,
)
from streamflow.steps.versions.registered_version import RecordedVersion
from streamflow.warehouse import frozen

DEFINITIONS = "features"
FEATURE_DATA = "data: features"
LABEL_DATA = "data: labels"
CONFIGURATION = "configuration"
# What a rebuild can take from either version.
FACTORS = (DEFINITIONS, FEATURE_DATA, LABEL_DATA, CONFIGURATION)

Causes = Mapping[str, tuple[str, ...]]  # cause -> the factors that are swapped with it
RebuildMetrics = dict[frozenset[str], HoldoutMetrics]  # swapped factors -> metrics of that rebuild


@dataclass(frozen=True, kw_only=True)
class VersionPair:
    """Two versions, and the differences between them.

    A set of factors names a rebuild: it takes these factors from `b`, and the rest from `a`.

    Each passport names the revisions that its version was trained on. Added to them are the
    revisions that the definitions of the second version would have read at the same instant, as
    known then. So a table or an older drop that only one version reads is not different content.
    """

    platform: Platform
    a: RecordedVersion
    b: RecordedVersion

    @cached_property
    def catalogs(self) -> tuple[Catalog, Catalog]:
        """The recorded definitions of both. Raises NotRebuildable if this code rejects them."""
        catalog_a = platform_as_recorded(self.platform, self.a.passport).catalog
        catalog_b = platform_as_recorded(self.platform, self.b.passport).catalog
        return catalog_a, catalog_b

    @cached_property
    def passports(self) -> tuple[Passport, Passport]:
        """Both passports, each with the revisions that the definitions of either version read."""
        catalog_a, catalog_b = self.catalogs
        passport_a = self._add_revisions(self.a.passport, catalog_b)
        passport_b = self._add_revisions(self.b.passport, catalog_a)
        return passport_a, passport_b

    @cached_property
    def differences(self) -> dict[str, tuple[Difference, ...]]:
        """The differences of each factor that differs; a factor without differences is left out."""
        a, b = self.passports
        catalogs = self.catalogs
        differences = {
            DEFINITIONS: compare_features(a.features, b.features).differences,
            FEATURE_DATA: feature_differences(a, b, catalogs),
            LABEL_DATA: label_differences(a, b, catalogs),
            CONFIGURATION: compare_configuration(a.configuration, b.configuration).differences,
        }
        return {factor: items for factor, items in differences.items() if items}

    def require_readable(self, swapped: frozenset[str]) -> None:
        """Raise TrainingImpossible if the definitions read data that this mixture does not have.

        Or if its features and its labels are of different numbers of months.
        """
        is_swapped = DEFINITIONS in swapped
        catalog = self.catalogs[is_swapped]
        own_passport = self._passport_for(DEFINITIONS, swapped)
        features = self._passport_for(FEATURE_DATA, swapped)
        labels = self._passport_for(LABEL_DATA, swapped)
        require_equal_months(features, labels)
        missing = missing_features(catalog, own_passport, features)
        missing += missing_labels(catalog, own_passport, labels)
        if missing:
            name_a, name_b = self._names
            reader, owner = (name_b, name_a) if is_swapped else (name_a, name_b)
            raise TrainingImpossible(
                f"the definitions of {reader} read {', '.join(missing)},"
                f" which the data of {owner} do not have"
            )

    def train_and_score(self, swapped: frozenset[str]) -> HoldoutMetrics:
        """Train a rebuild and return its metrics.

        Raises:
            TrainingImpossible: this rebuild cannot be trained
            NotRebuildable: frozen rows are gone
        """
        configuration = self._passport_for(CONFIGURATION, swapped).configuration
        passport = replace(self._passport_for(DEFINITIONS, swapped), configuration=configuration)
        platform = without_progress(platform_as_recorded(self.platform, passport))
        try:
            rows = self._rebuild_set(swapped - {CONFIGURATION})
            return self._trainings.score(platform, rows)
        except TrainingImpossible as problem:
            message = f"{self.describe_rebuild(swapped)}: {problem.message}"
            raise TrainingImpossible(message) from problem

    @cached_property
    def _trainings(self) -> RebuildTrainings:
        """The trainings of all rebuilds."""
        return RebuildTrainings()

    @cached_property
    def _rebuild_set(self) -> Callable[[frozenset[str]], TrainingSet]:
        """A function that makes a training set, and caches the last one.

        The configuration changes fastest between rebuilds, so each set is made only once.
        """

        def rebuild(swapped: frozenset[str]) -> TrainingSet:
            """Make the training set that takes these factors from `b`."""
            platform = platform_as_recorded(self.platform, self._passport_for(DEFINITIONS, swapped))
            return rebuild_training_set(
                platform,
                self._passport_for(FEATURE_DATA, swapped),
                labels_of=self._passport_for(LABEL_DATA, swapped),
            )

        return lru_cache(maxsize=1)(rebuild)

    def describe_rebuild(self, swapped: frozenset[str]) -> str:
        """Say which factors a rebuild takes from which version."""
        name_a, name_b = self._names
        if not swapped:
            return name_a
        if swapped == self.differences.keys():
            return name_b
        factors = [factor for factor in FACTORS if factor in swapped]
        return f"{name_a} with {', '.join(factors)} of {name_b}"

    @property
    def _names(self) -> tuple[str, str]:
        return f"version {self.a.version.version}", f"version {self.b.version.version}"

    def _passport_for(self, factor: str, swapped: frozenset[str]) -> Passport:
        return self.passports[factor in swapped]

    def _add_revisions(self, passport: Passport, catalog: Catalog) -> Passport:
        """Add the revisions that a catalog would have read for each month of this passport."""
        months = [self._add_to_month(month, catalog) for month in passport.months]
        return merge_months(passport, months)

    def _add_to_month(self, passport: Passport, catalog: Catalog) -> Passport:
        drops = {(source.table, source.as_of) for source in passport.sources}
        newest = frozen.revisions(self.platform.connection, known_at=passport.known_at)
        needed = select_revisions(catalog, newest, passport.as_of, passport.label_as_of)
        added = [revision for revision in needed if (revision.table, revision.as_of) not in drops]
        added_sources = frozen.sources(self.platform.connection, added)
        return replace(passport, sources=(*passport.sources, *added_sources))


@dataclass(frozen=True, kw_only=True)
class CombinationScores:
    """The metrics of every combination of causes.

    notes     which factors had to be swapped together, and why
    rebuilds  how many rebuilds were made; equal ones share one training
    """

    metrics: Mapping[frozenset[str], HoldoutMetrics]
    causes: Causes
    notes: tuple[str, ...]
    rebuilds: int


def score_combinations(pair: VersionPair) -> CombinationScores:
    """Train and score every combination of the factors that differ.

    Each factor is a cause of its own if every combination can be built. Some cannot: the
    definitions read a column that the data of the second version do not have, or the labels
    belong to different users. Then the first two factors become one cause, then the first three.
    Nothing is guessed. Raises NotRebuildable.
    """
    differing = tuple(factor for factor in FACTORS if factor in pair.differences)
    attempts = [_group_factors(differing, count) for count in range(1, len(differing) + 1)]
    return _score_first_possible(pair, attempts or [{}], {}, ())


def _score_first_possible(
    pair: VersionPair,
    attempts: Sequence[Causes],
    rebuilds: RebuildMetrics,
    notes: tuple[str, ...],
) -> CombinationScores:
    """Return the scores of the first attempt that works.

    A rebuild that was scored for an earlier attempt is not trained again.
    """
    causes, *coarser = attempts
    problem = _score_attempt(pair, causes, rebuilds)
    if problem is None:
        metrics = {
            combination: rebuilds[_swapped_factors(causes, combination)]
            for combination in combinations(list(causes))
        }
        return CombinationScores(
            metrics=metrics,
            causes=causes,
            notes=notes,
            rebuilds=len(rebuilds),
        )
    if not coarser:
        raise problem
    next_cause = next(iter(coarser[0]))
    note = f"{problem.message}: '{next_cause}' is swapped as one cause"
    return _score_first_possible(pair, coarser, rebuilds, (*notes, note))


def _group_factors(differing: tuple[str, ...], count: int) -> Causes:
    """Return the factors of each cause; the first `count` factors form one cause."""
    groups = [differing[:count]]
    groups += [(factor,) for factor in differing[count:]]
    return {" with ".join(group): group for group in groups}


def _swapped_factors(causes: Causes, combination: frozenset[str]) -> frozenset[str]:
    factors: set[str] = set()
    for cause in combination:
        factors.update(causes[cause])
    return frozenset(factors)


def _score_attempt(
    pair: VersionPair,
    causes: Causes,
    rebuilds: RebuildMetrics,
) -> TrainingImpossible | None:
    """Add to `rebuilds` the combinations that it does not have yet.

    Returns:
        the reason why a combination is impossible, or None when all were scored
    """
    required = [_swapped_factors(causes, some) for some in combinations(list(causes))]
    try:
        for swapped in required:
            pair.require_readable(swapped)
        for number, swapped in enumerate(required, 1):
            if swapped not in rebuilds:
                name = pair.describe_rebuild(swapped)
                pair.platform.notify(f"rebuild {number} of {len(required)}: {name}")
                rebuilds[swapped] = pair.train_and_score(swapped)
    except TrainingImpossible as problem:
        return problem
    return None
