"""skew: logged answers against the same values made offline for their instant, by the way that training takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from streamflow.core.monitoring.skew import (
    CAUSES,
    Cause,
    Expected,
    Knowledge,
    Skew,
    Value,
    as_logged,
    cause_of,
    counted,
    same,
)
from streamflow.errors import VersionMissing
from streamflow.features.feature_service import ServiceFeature, views_of
from streamflow.platform import Platform
from streamflow.runtime import code_digest
from streamflow.warehouse import frozen
from streamflow.warehouse.skew import LoggedAnswer, known_revisions, sampled, store

Services = Mapping[str, Sequence[ServiceFeature]]
Groups = Mapping[str, Sequence[LoggedAnswer]]  # by the feature service that was read

LISTED = 1_000  # of each kind in a receipt; all are counted
UNSAID = "do not say what they were read from: an older streamflow logged them"
UNDEFINED = "were read by a feature service that is not defined here, or by another catalog"
PRUNED = "were read from a revision, or should have been, that was pruned"
GONE = "of versions that are not registered any more: probabilities cannot be made again"


@dataclass(frozen=True, kw_only=True)
class SkewReceipt:
    """What was compared, and what is not what belongs there.

    not_comparable   why in words -> answers
    compared         values, all of the sampled answers that can be compared
    causes           cause -> values
    found            the first of them
    probabilities    that were computed again by the logged version from the logged values
    differ           how many of these are not the logged ones; the first in `wrong`
    """

    model: str
    since: datetime | None
    seed: int
    sampled: int
    not_comparable: Mapping[str, int]
    compared: int
    causes: Mapping[Cause, int]
    found: tuple[Skew, ...]
    probabilities: int
    differ: int
    wrong: tuple[Skew, ...]

    @property
    def skewed(self) -> int:
        """Values that are not what belongs there."""
        return sum(self.causes.values())

    @property
    def holds(self) -> bool:
        """Whether every value and every probability is what belongs there."""
        return not (self.skewed or self.differ)


class _Asked(NamedTuple):
    """A row that is made offline: a key as of an instant, as known at another."""

    key: str | int
    as_of: datetime
    known_at: datetime


class _Places(NamedTuple):
    """Where the values of one view of an answer belong: see `Expected`. `served` is None where the view had no row."""

    served: _Asked | None
    then: _Asked
    now: _Asked | None


def skew(
    platform: Platform,
    *,
    sample: int = 1000,
    since: datetime | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> SkewReceipt:
    """Compare up to `sample` logged answers, taken at random by the setting `seed`, with what the frozen rows give for them.

    The numbers are kept in streamflow.skew_report; nothing else is written.
    """
    model, seed = platform.catalog.model, platform.settings.seed
    answers = sampled(platform.connection, model=model, rows=sample, since=since, seed=seed)
    services = platform.services()
    left_out: Counter[str] = Counter()
    groups = _by_service(answers, services, left_out)
    found, compared = _values(platform, groups, services, left_out, notify)
    usable = [(answer, services[name]) for name, group in groups.items() for answer in group]
    wrong, recomputed = _probabilities(platform, usable, left_out, notify)
    receipt = SkewReceipt(
        model=model,
        since=since,
        seed=seed,
        sampled=len(answers),
        not_comparable=dict(+left_out),
        compared=compared,
        causes=counted(found),
        found=tuple(found[:LISTED]),
        probabilities=recomputed,
        differ=len(wrong),
        wrong=tuple(wrong[:LISTED]),
    )
    store(platform.connection, _numbers(receipt))
    return receipt


def _by_service(
    answers: Sequence[LoggedAnswer], services: Services, left_out: Counter[str]
) -> dict[str, list[LoggedAnswer]]:
    """The answers that say what they were read from, by the feature service that read them."""
    groups: dict[str, list[LoggedAnswer]] = {}
    for answer in answers:
        if answer.service is None or answer.views is None:
            left_out[UNSAID] += 1
        elif {f.name for f in services.get(answer.service, ())} != set(answer.features):
            left_out[UNDEFINED] += 1
        else:
            groups.setdefault(answer.service, []).append(answer)
    return groups


def _values(
    platform: Platform,
    groups: Groups,
    services: Services,
    left_out: Counter[str],
    notify: Callable[[str], None],
) -> tuple[list[Skew], int]:
    """The values that are not what belongs there, and how many were compared."""
    tables = {
        view.table
        for view in views_of(platform.catalog, services)
        if view.table in platform.catalog.tables
    }
    maker = _Maker(platform, Knowledge(known_revisions(platform.connection), tables))
    found: list[Skew] = []
    compared = 0
    for name, group in groups.items():
        notify(f"making {len(group):,} answers of {name} again from frozen rows")
        placed = [
            (answer, places)
            for answer in group
            if (places := maker.places(answer, services[name])) is not None
        ]
        rows = maker.rows(name, [one for _, places in placed for one in places.values()])
        found += [
            one for answer, places in placed for one in _skews(answer, services[name], places, rows)
        ]
        compared += len(placed) * len(services[name])
        left_out[PRUNED] += len(group) - len(placed)
    return found, compared


class _Maker:
    """Finds where values belong, and makes them by Feast's point-in-time read."""

    def __init__(self, platform: Platform, knowledge: Knowledge) -> None:
        self._platform, self._knowledge = platform, knowledge
        self._now = frozen.known_now(platform.connection)

    def places(
        self, answer: LoggedAnswer, features: Sequence[ServiceFeature]
    ) -> dict[str, _Places] | None:
        """Where the values of each view belong; None when a revision that would tell was pruned."""
        known = self._knowledge.at(answer.at)
        newest = None if known is None else self._knowledge.newest_drop(known)
        if known is None or newest is None:
            return None
        key = int(answer.key) if self._platform.catalog.entity.type == "int" else answer.key
        then, found = _Asked(key, newest, known), {}
        for view, table in {f.view: f.table for f in features}.items():
            source = answer.sources.get(view)
            served = None if source is None else _Asked(key, source[0], source[1] or known)
            now = served and served._replace(known_at=self._now)
            found[view] = _Places(served, then, now)
            if not all(
                self._knowledge.can_be_read([table], *at[1:]) for at in (served, then) if at
            ):
                return None
        return found

    def rows(self, service: str, places: Sequence[_Places]) -> dict[_Asked, dict[str, Any]]:
        """The values of a service for all that is asked."""
        asked = sorted({one for of_view in places for one in of_view if one is not None})
        if not asked:
            return {}
        stamp = pl.Datetime("us", "UTC")
        schema = {
            self._platform.catalog.entity.key: None,
            "event_timestamp": stamp,
            "known_at": stamp,
        }
        frame = pl.DataFrame(asked, schema=schema, orient="row")
        return dict(
            zip(asked, self._platform.features.history(frame, service).to_pylist(), strict=True)
        )


def _skews(
    answer: LoggedAnswer,
    features: Sequence[ServiceFeature],
    places: Mapping[str, _Places],
    rows: Mapping[_Asked, Mapping[str, Any]],
) -> Iterator[Skew]:
    """The values of one answer that are not what belongs there."""
    for feature in features:
        served = as_logged(answer.features[feature.name], feature.type)
        at = places[feature.view]
        belongs = [
            None if one is None else as_logged(rows[one][feature.name], feature.type) for one in at
        ]
        expected = Expected(*belongs)
        if (
            feature.name in answer.defaulted
        ):  # nothing was read: absent, or too old. It is skew only where there was a newer row
            newer = at.served is None or at.served.as_of < at.then.as_of
            verdict: tuple[Cause, Value] | None = (
                ("stale", expected.then) if newer and expected.then is not None else None
            )
        else:
            verdict = cause_of(served, expected, same_code=answer.code == code_digest())
        if verdict is not None:
            yield _skew(answer, verdict[0], feature.name, served, verdict[1])


def _skew(answer: LoggedAnswer, cause: Cause, what: str, served: Value, expected: Value) -> Skew:
    return Skew(
        cause=cause, key=answer.key, request_id=answer.request_id, at=answer.at, version=answer.version, feature=what,
        served=served, expected=expected,
    )  # fmt: skip


def _probabilities(
    platform: Platform,
    answers: Sequence[tuple[LoggedAnswer, Sequence[ServiceFeature]]],
    left_out: Counter[str],
    notify: Callable[[str], None],
) -> tuple[list[Skew], int]:
    """The probabilities that the logged version does not give for the logged values, and how many were computed."""
    wrong, computed = [], 0
    for version in sorted({answer.version for answer, _ in answers}):
        mine = [(answer, features) for answer, features in answers if answer.version == version]
        try:
            predictor = platform.models.load(platform.models.version(version))
        except VersionMissing:
            left_out[GONE] += len(mine)
            continue
        notify(f"computing {len(mine):,} probabilities of version {version} again")
        rows = [
            [as_logged(answer.features[f.name], f.type) for f in features]
            for answer, features in mine
        ]
        computed += len(mine)
        for (answer, _), again in zip(mine, predictor.probability_rows(rows).tolist(), strict=True):
            if not same(answer.probability, again):
                cause: Cause = "unexplained" if answer.code == code_digest() else "code"
                wrong.append(_skew(answer, cause, "probability", answer.probability, again))
    return wrong, computed


def _numbers(r: SkewReceipt) -> dict[str, object]:
    """What is kept of a receipt: no key, no value."""
    return {
        "since": r.since,
        "sampled": r.sampled,
        "not_comparable": sum(r.not_comparable.values()),
        "compared": r.compared,
        **{cause: r.causes[cause] for cause in CAUSES},
        "probabilities": r.probabilities,
        "probabilities_differ": r.differ,
    }
