"""Read over HTTP what a running API counts: phases, queue, versions that were loaded, refusals."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streamflow.core.serving.phase_times import PhaseTime, make_phase_time
from streamflow.web.network_errors import describe_network_error

TIMEOUT_S = 1.5
MAX_ANSWER_BYTES = 4_000_000
# The order of the phases of a prediction.
PHASES = ("queue", "features", "model", "log")
PREDICTION_PATHS = ("/predict", "/predict/batch", "/invocations", "/v2/models/{model_name}/infer")


class ApiSilent(Exception):
    """The API does not answer, or not as expected. needs_key: it asks for an API key."""

    def __init__(self, problem: str, *, needs_key: bool = False) -> None:
        super().__init__(problem)
        self.needs_key = needs_key


@dataclass(frozen=True, kw_only=True)
class Reload:
    """When the API last loaded a version (`swapped`), or could not load it (`refused`)."""

    version: int
    outcome: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class CodeCount:
    """How many answers had an error code."""

    code: str
    answers: int


@dataclass(frozen=True, kw_only=True)
class ApiReport:
    """What an API says of itself. Everything is counted since its start.

    reasons      why it cannot predict now; empty if it can
    version      the version that answers; None: none does
    waiting_ids  the ids that wait for an answer now
    pool         connections to PostgreSQL: all, free, and requests that wait for one
    phases       the phases of a prediction, and the whole request
    reloads      the newest first
    refusals     the codes that were answered at least once, the most frequent first
    """

    address: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    started_at: datetime | None
    version: int | None
    loaded_at: datetime | None
    waiting_ids: int
    pool_size: int
    pool_available: int
    pool_waiting: int
    predictions: int
    unlogged: int
    phases: tuple[PhaseTime, ...]
    reloads: tuple[Reload, ...]
    refused_reloads: int
    refusals: tuple[CodeCount, ...]


class ApiNumbers:
    """The metrics of an API by their names."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples[sample.name].append(sample)

    def list(self, name: str) -> list[Sample]:
        """Return the values of a metric with their labels."""
        return self._samples[name]

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of the values of a metric that have these labels."""
        return sum(sample.value for sample in self._select(name, labels))

    def instant(self, name: str) -> datetime | None:
        """Return a metric that is an instant; None: it has no value."""
        seconds = self.sum(name)
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    def read_phase(self, title: str, metric: str, labels: dict[str, str]) -> PhaseTime:
        """Return a phase from its histogram."""
        counts: dict[float, float] = defaultdict(float)
        for sample in self._select(f"{metric}_bucket", labels):
            counts[float(sample.labels["le"])] += sample.value
        total_s = self.sum(f"{metric}_sum", **labels)
        return make_phase_time(title, total_s, sorted(counts.items()))

    def _select(self, name: str, labels: dict[str, str]) -> Iterator[Sample]:
        for sample in self._samples[name]:
            if labels.items() <= sample.labels.items():
                yield sample


def read_api_report(address: str, key: str | None) -> ApiReport:
    """Ask an API what it counts.

    Args:
        address: of the API, such as http://127.0.0.1:8000
        key: an API key of scope metrics; None: the API asks for none

    Raises:
        ApiSilent: the API does not answer in time, or not as expected
    """
    try:
        readiness = json.loads(_fetch(address, "/ready", key, (200, 503)))
        numbers = ApiNumbers(_fetch(address, "/metrics", key, (200,)).decode())
        return make_report(address, readiness, numbers)
    except (OSError, HTTPException) as exc:
        raise ApiSilent(describe_network_error(exc)) from exc
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as exc:
        raise ApiSilent("the program that answers there is not an API of streamflow") from exc


def make_report(address: str, readiness: dict[str, Any], numbers: ApiNumbers) -> ApiReport:
    """Make the report from the answers of /ready and /metrics."""
    model = numbers.list("streamflow_model_info")
    return ApiReport(
        address=address,
        reasons=tuple(readiness["reasons"]),
        notes=tuple(readiness["notes"]),
        started_at=numbers.instant("process_start_time_seconds"),
        version=int(model[0].labels["version"]) if model else None,
        loaded_at=numbers.instant("streamflow_model_loaded_timestamp_seconds"),
        waiting_ids=int(numbers.sum("streamflow_waiting_ids")),
        pool_size=int(numbers.sum("streamflow_pool_size")),
        pool_available=int(numbers.sum("streamflow_pool_available")),
        pool_waiting=int(numbers.sum("streamflow_pool_waiting")),
        predictions=int(numbers.sum("streamflow_predictions_total")),
        unlogged=int(numbers.sum("streamflow_unlogged_predictions_total")),
        phases=_list_phases(numbers),
        reloads=_list_reloads(numbers),
        refused_reloads=int(numbers.sum("streamflow_model_reloads_total", outcome="refused")),
        refusals=_list_refusals(numbers),
    )


def _list_phases(numbers: ApiNumbers) -> tuple[PhaseTime, ...]:
    metric = "streamflow_phase_seconds"
    phases = [numbers.read_phase(name, metric, {"phase": name}) for name in PHASES]
    for path in PREDICTION_PATHS:
        request_time = numbers.read_phase(path, "api_request_latency_seconds", {"path": path})
        if request_time.count:
            phases.append(request_time)
    return tuple(phases)


def _list_reloads(numbers: ApiNumbers) -> tuple[Reload, ...]:
    reloads = [
        Reload(
            version=int(sample.labels["version"]),
            outcome=sample.labels["outcome"],
            at=datetime.fromtimestamp(sample.value, UTC),
        )
        for sample in numbers.list("streamflow_model_reload_timestamp_seconds")
    ]
    return tuple(sorted(reloads, key=lambda reload: reload.at, reverse=True))


def _list_refusals(numbers: ApiNumbers) -> tuple[CodeCount, ...]:
    counts = [
        CodeCount(code=sample.labels["code"], answers=int(sample.value))
        for sample in numbers.list("api_errors_total")
        if sample.value
    ]
    return tuple(sorted(counts, key=lambda count: (-count.answers, count.code)))


def _fetch(address: str, path: str, key: str | None, statuses: tuple[int, ...]) -> bytes:
    """Return the body of an answer. No proxy is asked, and no redirection is followed.

    Raises:
        ApiSilent: the answer has a different status
    """
    url = urlsplit(address)
    connect = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = connect(url.hostname or "", url.port, timeout=TIMEOUT_S)
    try:
        headers = {"X-API-Key": key} if key else {}
        connection.request("GET", f"{url.path.rstrip('/')}{path}", headers=headers)
        answer = connection.getresponse()
        if answer.status in (401, 403):
            raise ApiSilent(f"{path} asks for an API key", needs_key=True)
        if answer.status not in statuses:
            raise ApiSilent(f"{path} answers {answer.status}")
        return answer.read(MAX_ANSWER_BYTES)
    finally:
        connection.close()
