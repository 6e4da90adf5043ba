"""What the API counts, for Prometheus. Labels hold names of ours only: never a key, a value or a path of a client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from streamflow.api.codes import OF_HTTP
from streamflow.api.serving_status import Look
from streamflow.errors import StreamflowError

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PHASES = ("queue", "features", "model", "log")


class Metrics:
    """The numbers of one application, in a registry of its own.

    shared   several workers count together, in files that Prometheus' client finds by a variable; the process is the one asked
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.registry = CollectorRegistry()
        asked = ("method", "path")
        self._requests = Counter(
            "api_requests", "Answered requests", (*asked, "status"), registry=self.registry
        )
        self._latency = Histogram(
            "api_request_latency_seconds",
            "From a request to the end of its answer",
            asked,
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._answered: dict[
            tuple[str, str, int], tuple[Counter, Histogram]
        ] = {}  # to look a child up takes longer than to count
        self._errors = Counter(
            "api_errors",
            "Answers that are an error, by its code",
            ("code",),
            registry=self.registry,
        )
        for code in (*OF_HTTP, *(kind("").code for kind in StreamflowError.__subclasses__())):
            self._errors.labels(code)  # from 0 on: a rate sees the first one, too
        self._predictions = Counter(
            "streamflow_predictions",
            "Predictions",
            ("version", "prediction"),
            registry=self.registry,
        )
        self._predicted: dict[tuple[int, int], Counter] = {}
        phases = Histogram(
            "streamflow_phase_seconds",
            "What a prediction waits for: the queue by request, the others by turn",
            ("phase",),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._phases = {phase: phases.labels(phase) for phase in PHASES}
        self._unlogged = Counter(
            "streamflow_unlogged_predictions",
            "Answers given and not logged (shed)",
            registry=self.registry,
        )
        self._reloads = Counter(
            "streamflow_model_reloads",
            "Versions swapped in, or refused",
            ("outcome",),
            registry=self.registry,
        )
        for outcome in ("swapped", "refused"):
            self._reloads.labels(outcome)
        self._installation = _Installation()
        self._exposed = CollectorRegistry() if shared else self.registry
        self._exposed.register(self._installation)
        if shared:
            MultiProcessCollector(self._exposed)  # type: ignore[no-untyped-call]
        for kind in (ProcessCollector, PlatformCollector):
            kind(registry=self._exposed)

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        asked = method, path, status
        if asked not in self._answered:
            self._answered[asked] = (
                self._requests.labels(*asked),
                self._latency.labels(method, path),
            )
        requests, latency = self._answered[asked]
        requests.inc()
        latency.observe(seconds)

    def failed(self, code: str) -> None:
        """Count an error."""
        self._errors.labels(code).inc()

    def predicted(self, version: int, prediction: int) -> None:
        """Count a prediction."""
        told = version, prediction
        if told not in self._predicted:
            self._predicted[told] = self._predictions.labels(*told)
        self._predicted[told].inc()

    def phase(self, phase: str, seconds: float) -> None:
        """Count what a phase took."""
        self._phases[phase].observe(seconds)

    def unlogged(self, answers: int) -> None:
        """Count answers that were given and could not be logged."""
        self._unlogged.inc(answers)

    def reloaded(self, outcome: Literal["swapped", "refused"]) -> None:
        """Count a version that answers from now on, or one that may not."""
        self._reloads.labels(outcome).inc()

    def text(self, found: Look) -> bytes:
        """All of it, in Prometheus' text format, with what a look at the installation found."""
        self._installation.found = found
        return generate_latest(self._exposed)


class _Installation(Collector):
    """What could be predicted at the moment of the scrape, whether or not anybody asks."""

    found: Look | None = None

    def describe(self) -> list[Metric]:
        """The registry would collect once to learn the names: nothing is open yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What the look found."""
        found = self.found
        if found is None:
            return
        yield _gauge(
            "streamflow_ready", "1 when a prediction can be made now, else 0", not found.reasons
        )
        info = GaugeMetricFamily(
            "streamflow_model_info",
            "1, of the version that answers",
            labels=("name", "version", "run_id"),
        )
        serving, loaded = found.current.serving, found.current.loaded
        if serving is not None:
            info.add_metric((serving.model, str(serving.version), serving.run_id), 1)
        yield info
        refused = found.current.refused and serving is not None
        yield _gauge(
            "streamflow_model_refused",
            "1 while another version should answer and cannot be served",
            bool(refused),
        )
        if loaded is not None:
            yield _gauge(
                "streamflow_model_loaded_timestamp_seconds",
                "When it began to answer here",
                loaded.timestamp(),
            )
        age = None if found.as_of is None else time.time() - found.as_of.timestamp()
        yield _gauge(
            "streamflow_feature_age_seconds", "From the as_of of the live features to now", age
        )
        yield _gauge("streamflow_waiting_ids", "Ids that wait for their turn", found.waiting)
        for name, number in (
            ("size", "pool_size"),
            ("available", "pool_available"),
            ("waiting", "requests_waiting"),
        ):
            yield _gauge(f"streamflow_pool_{name}", POOL[name], found.pool.get(number, 0))


POOL = {
    "size": "Connections to PostgreSQL",
    "available": "Connections to PostgreSQL that nobody uses",
    "waiting": "Requests that wait for a connection to PostgreSQL",
}


def _gauge(name: str, words: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words)
    if value is not None:
        family.add_metric((), value)
    return family
