"""skew: compare logged answers with the same values from frozen rows.

The values are read for the instant of each answer, in the way in which training reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from streamflow.core.data.counts import count_of
from streamflow.core.monitoring.skew import (
    CAUSES,
    Cause,
    DropKnowledge,
    Skew,
    as_logged,
    count_causes,
    have_same_bits,
)
from streamflow.errors import VersionMissing
from streamflow.features.feature_service import ServiceFeature, views_of
from streamflow.platform import Platform
from streamflow.runtime import code_digest
from streamflow.steps.monitoring.offline_values import OfflineReader, find_skews, make_skew
from streamflow.steps.versions.registered_version import load_predictor, read_record
from streamflow.warehouse.skew import (
    LoggedAnswer,
    known_revisions,
    sample_predictions,
    store_report,
)

Services = Mapping[str, Sequence[ServiceFeature]]
AnswersByService = Mapping[str, Sequence[LoggedAnswer]]  # by the feature service that was read
AnswerFeatures = tuple[LoggedAnswer, Sequence[ServiceFeature]]

LISTED = 1_000  # differences of each kind that a receipt lists; it counts all of them

# Why answers cannot be compared.
NO_SOURCES = "do not say what they were read from: an older streamflow logged them"
UNDEFINED_SERVICE = "were read by a feature service that is not defined here, or by another catalog"
PRUNED_REVISION = "were read from a revision, or should have been, that was pruned"
UNREGISTERED_VERSION = (
    "of versions that are not registered any more: probabilities cannot be made again"
)


@dataclass(frozen=True, kw_only=True)
class SkewReceipt:
    """What was compared, and which values differ from the expected ones.

    not_comparable   reason -> answers
    compared         values, all of the sampled answers that can be compared
    causes           cause -> values that differ
    first_skewed     the first of these values
    probabilities    how many were computed again by the logged version from the logged values
    differ           how many of these differ from the logged ones
    first_differing  the first of these probabilities
    """

    model: str
    since: datetime | None
    seed: int
    sampled: int
    not_comparable: Mapping[str, int]
    compared: int
    causes: Mapping[Cause, int]
    first_skewed: tuple[Skew, ...]
    probabilities: int
    differ: int
    first_differing: tuple[Skew, ...]

    @property
    def skewed(self) -> int:
        """Return how many values differ from the expected ones."""
        return sum(self.causes.values())

    @property
    def holds(self) -> bool:
        """Return whether every value and every probability is the expected one."""
        return not (self.skewed or self.differ)


def skew(platform: Platform, *, sample: int = 1000, since: datetime | None = None) -> SkewReceipt:
    """Compare up to `sample` logged answers with what the frozen rows give for them.

    The answers are taken at random by the setting `seed`. The counts are stored in
    streamflow.skew_report; nothing else is written.
    """
    model = platform.catalog.model
    seed = platform.settings.seed
    answers = sample_predictions(
        platform.connection,
        model=model,
        rows=sample,
        since=since,
        seed=seed,
    )
    services = platform.read_services()
    not_comparable: Counter[str] = Counter()
    groups = _group_by_service(answers, services, not_comparable)
    skews, compared_count = _compare_values(platform, groups, services, not_comparable)
    answer_features = [
        (answer, services[name]) for name, group in groups.items() for answer in group
    ]
    wrong_probabilities, recomputed_count = _compare_probabilities(
        platform, answer_features, not_comparable
    )
    receipt = SkewReceipt(
        model=model,
        since=since,
        seed=seed,
        sampled=len(answers),
        not_comparable=dict(+not_comparable),  # without the reasons that no answer has
        compared=compared_count,
        causes=count_causes(skews),
        first_skewed=tuple(skews[:LISTED]),
        probabilities=recomputed_count,
        differ=len(wrong_probabilities),
        first_differing=tuple(wrong_probabilities[:LISTED]),
    )
    store_report(platform.connection, _counts(receipt))
    return receipt


def _group_by_service(
    answers: Sequence[LoggedAnswer],
    services: Services,
    not_comparable: Counter[str],
) -> dict[str, list[LoggedAnswer]]:
    """Group the answers by the feature service that was read; count those that cannot be used."""
    groups: dict[str, list[LoggedAnswer]] = {}
    for answer in answers:
        if answer.service is None or answer.views is None:
            not_comparable[NO_SOURCES] += 1
            continue
        feature_names = {feature.name for feature in services.get(answer.service, ())}
        if feature_names != set(answer.features):
            not_comparable[UNDEFINED_SERVICE] += 1
        else:
            groups.setdefault(answer.service, []).append(answer)
    return groups


def _compare_values(
    platform: Platform,
    groups: AnswersByService,
    services: Services,
    not_comparable: Counter[str],
) -> tuple[list[Skew], int]:
    """Return the values that differ from the expected ones, and how many were compared."""
    tables = {view.table for view in views_of(platform.catalog, services)}
    catalog_tables = tables.intersection(platform.catalog.frozen_tables)
    knowledge = DropKnowledge(known_revisions(platform.connection), catalog_tables)
    reader = OfflineReader(platform, knowledge)
    skews: list[Skew] = []
    compared_count = 0
    for name, answers in groups.items():
        features = services[name]
        platform.notify(
            f"making {count_of(len(answers), 'answer')} of {name} again from frozen rows"
        )
        comparable = []
        for answer in answers:
            requests = reader.requests_for(answer, features)
            if requests is not None:
                comparable.append((answer, requests))
        rows = reader.read(name, features, [requests for _, requests in comparable])
        for answer, requests in comparable:
            skews += find_skews(answer, features, requests, rows)
        compared_count += len(comparable) * len(features)
        not_comparable[PRUNED_REVISION] += len(answers) - len(comparable)
    return skews, compared_count


def _compare_probabilities(
    platform: Platform,
    answer_features: Sequence[AnswerFeatures],
    not_comparable: Counter[str],
) -> tuple[list[Skew], int]:
    """Compute the probability of each answer again from its logged values.

    Returns:
        The probabilities that differ from the logged ones, and how many were computed.
    """
    skews: list[Skew] = []
    computed_count = 0
    for version in sorted({answer.version for answer, _ in answer_features}):
        of_version = [
            (answer, features) for answer, features in answer_features if answer.version == version
        ]
        try:
            record = read_record(platform, platform.models.version(version))
        except VersionMissing:
            not_comparable[UNREGISTERED_VERSION] += len(of_version)
            continue
        predictor = load_predictor(platform, record)
        number = count_of(len(of_version), "probability", "probabilities")
        platform.notify(f"computing {number} of version {version} again")
        rows = [
            [as_logged(answer.features[feature.name], feature.type) for feature in features]
            for answer, features in of_version
        ]
        computed_count += len(of_version)
        probabilities = predictor.probability_rows(rows).tolist()
        for (answer, _), probability in zip(of_version, probabilities, strict=True):
            if not have_same_bits(answer.probability, probability):
                cause: Cause = "unexplained" if answer.code == code_digest() else "code"
                skews.append(
                    make_skew(answer, cause, "probability", answer.probability, probability)
                )
    return skews, computed_count


def _counts(receipt: SkewReceipt) -> dict[str, object]:
    """Return what is stored of a receipt: its counts, without any key or value."""
    return {
        "since": receipt.since,
        "sampled": receipt.sampled,
        "not_comparable": sum(receipt.not_comparable.values()),
        "compared": receipt.compared,
        **{cause: receipt.causes[cause] for cause in CAUSES},
        "probabilities": receipt.probabilities,
        "probabilities_differ": receipt.differ,
    }
