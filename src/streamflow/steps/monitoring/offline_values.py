"""Read the values that an answer should have had from frozen rows, and find the differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from streamflow.core.monitoring.skew import (
    Cause,
    DropKnowledge,
    ExpectedValues,
    Skew,
    Value,
    as_logged,
    find_cause,
)
from streamflow.database.known_at import current_known_at
from streamflow.features.feature_service import ServiceFeature
from streamflow.platform import Platform
from streamflow.runtime import code_digest
from streamflow.steps.data.loaded_rows import load
from streamflow.warehouse import frozen
from streamflow.warehouse.skew import LoggedAnswer


class RowRequest(NamedTuple):
    """A row to read offline: a key as of one instant, as known at a second instant."""

    key: str | int
    as_of: datetime
    known_at: datetime


class ViewRequests(NamedTuple):
    """The rows to read for one view of an answer, in the order of `ExpectedValues`.

    served      the row that the live row was said to be; None where the view had no live row
    newest      the row of the newest drop that was known when the answer was given
    corrected   the same drop as `served`, as it is known now; None where `served` is None
    """

    served: RowRequest | None
    newest: RowRequest
    corrected: RowRequest | None


Requests = Mapping[str, ViewRequests]  # by view
Rows = Mapping[RowRequest, Mapping[str, Any]]  # each with its features by name


class OfflineReader:
    """Find which rows belong to an answer, and read them by Feast's point-in-time join."""

    def __init__(self, platform: Platform, knowledge: DropKnowledge) -> None:
        self._platform = platform
        self._knowledge = knowledge
        self._known_now = current_known_at(platform.connection)

    def requests_for(
        self,
        answer: LoggedAnswer,
        features: Sequence[ServiceFeature],
    ) -> Requests | None:
        """Return the rows to read for each view of an answer.

        Returns:
            None when a revision that is needed was pruned.
        """
        known_at = self._knowledge.newest_instant(answer.at)
        newest_as_of = None if known_at is None else self._knowledge.newest_drop(known_at)
        if known_at is None or newest_as_of is None:
            return None
        key = int(answer.key) if self._platform.catalog.entity.type == "int" else answer.key
        newest = RowRequest(key, newest_as_of, known_at)
        requests = {}
        table_by_view = {feature.view: feature.table for feature in features}
        for view, table in table_by_view.items():
            source = answer.sources.get(view)
            served = None
            corrected = None
            if source is not None:
                source_as_of, source_known_at = source
                served = RowRequest(key, source_as_of, source_known_at or known_at)
                corrected = served._replace(known_at=self._known_now)
            if not self._can_read(table, served) or not self._can_read(table, newest):
                return None
            requests[view] = ViewRequests(served, newest, corrected)
        return requests

    def _can_read(self, table: str, request: RowRequest | None) -> bool:
        """Return whether the revisions of a request still exist; true without a request."""
        if request is None:
            return True
        return self._knowledge.can_be_read([table], request.as_of, request.known_at)

    def read(
        self,
        service: str,
        features: Sequence[ServiceFeature],
        answer_requests: Iterable[Requests],
    ) -> Rows:
        """Read every requested row of a feature service, which has these features."""
        row_requests: set[RowRequest] = set()
        for requests in answer_requests:
            for view_requests in requests.values():
                row_requests.update(request for request in view_requests if request is not None)
        if not row_requests:
            return {}
        ordered = sorted(row_requests)
        self._load_revisions(features, {request.as_of for request in ordered})
        instant_type = pl.Datetime("us", "UTC")
        schema = {
            self._platform.catalog.entity.key: None,
            "event_timestamp": instant_type,
            "known_at": instant_type,
        }
        frame = pl.DataFrame(ordered, schema=schema, orient="row")
        rows = self._platform.features.read_history(frame, service).to_pylist()
        return dict(zip(ordered, rows, strict=True))

    def _load_revisions(self, features: Sequence[ServiceFeature], dates: Set[datetime]) -> None:
        """Load from the lake every revision that Feast may read for rows of these dates."""
        ttl_by_table: dict[str, timedelta] = {}
        for feature in features:
            ttl = timedelta(days=feature.ttl_days)
            ttl_by_table[feature.table] = max(ttl, ttl_by_table.get(feature.table, ttl))
        oldest, newest = min(dates), max(dates)
        load(
            self._platform,
            [
                revision.revision_key
                for revision in frozen.all_revisions(self._platform.connection)
                if revision.table in ttl_by_table
                and revision.as_of <= newest
                and oldest - revision.as_of <= ttl_by_table[revision.table]
            ],
        )


def find_skews(
    answer: LoggedAnswer,
    features: Sequence[ServiceFeature],
    requests: Requests,
    rows: Rows,
) -> Iterator[Skew]:
    """Yield each value of one answer that differs from the expected value."""
    for feature in features:
        value = as_logged(answer.features[feature.name], feature.type)
        view_requests = requests[feature.view]
        expected = ExpectedValues(
            *(
                None if request is None else as_logged(rows[request][feature.name], feature.type)
                for request in view_requests
            )
        )
        if feature.name in answer.defaulted:
            difference = _stale_default(view_requests, expected)
        else:
            difference = find_cause(value, expected, same_code=answer.code == code_digest())
        if difference is not None:
            cause, expected_value = difference
            yield make_skew(answer, cause, feature.name, value, expected_value)


def _stale_default(requests: ViewRequests, expected: ExpectedValues) -> tuple[Cause, Value] | None:
    """Return the expected value where a default was served although a newer row had a value.

    A default means that no value was read, because it was absent or too old. This is skew only
    where a newer row existed.
    """
    has_newer_row = requests.served is None or requests.served.as_of < requests.newest.as_of
    if has_newer_row and expected.known_at_answer is not None:
        return "stale", expected.known_at_answer
    return None


def make_skew(
    answer: LoggedAnswer,
    cause: Cause,
    feature: str,
    served: Value,
    expected: Value,
) -> Skew:
    """Return one difference between a served and an expected value of an answer."""
    return Skew(
        cause=cause,
        key=answer.key,
        request_id=answer.request_id,
        at=answer.at,
        version=answer.version,
        feature=feature,
        served=served,
        expected=expected,
    )
