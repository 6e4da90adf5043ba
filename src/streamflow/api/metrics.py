"""The metrics of the API, for Prometheus.

Their labels contain only names that we define: never a key, a value or a path of a client.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from streamflow.api.reload import Readiness
from streamflow.errors import StreamflowError
from streamflow.web.refusals import HTTP_CODES

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PHASES = ("queue", "features", "model", "log")
OUTCOMES = ("swapped", "refused")

# Suffix of the metric, its description, and its name in the statistics of the connection pool.
POOL_GAUGES = (
    ("size", "Connections to PostgreSQL", "pool_size"),
    ("available", "Connections to PostgreSQL that are not in use", "pool_available"),
    ("waiting", "Requests that wait for a connection to PostgreSQL", "requests_waiting"),
)


class Metrics:
    """The metrics of one application, in its own registry.

    Args:
        shared: whether several workers count together. They do so in files, which Prometheus'
            client finds by an environment variable. Metrics of the process itself then describe
            the worker that answers the scrape.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "api_requests", "Answered requests", ("method", "path", "status")
        )
        self._latency = self._histogram(
            "api_request_latency_seconds",
            "Time from the start of a request to the end of its answer",
            ("method", "path"),
        )
        # To look up a child metric by its labels takes longer than to count, so we store it.
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._errors = self._counter("api_errors", "Answers that are an error, by code", ("code",))
        self._predictions = self._counter(
            "streamflow_predictions", "Predictions", ("version", "prediction")
        )
        self._prediction_children: dict[tuple[int, int], Counter] = {}
        phases = self._histogram(
            "streamflow_phase_seconds",
            "Duration of the phases of a prediction: the queue per request, the rest per batch",
            ("phase",),
        )
        self._phases = {phase: phases.labels(phase) for phase in PHASES}
        self._unlogged = self._counter(
            "streamflow_unlogged_predictions",
            "Answers that were given without a log entry (setting prediction_log = shed)",
        )
        self._reloads = self._counter(
            "streamflow_model_reloads",
            "Model versions that were swapped in or refused",
            ("outcome",),
        )
        self._reload_times = Gauge(
            "streamflow_model_reload_timestamp_seconds",
            "When a version was last swapped in or refused",
            ("version", "outcome"),
            registry=self.registry,
            # Of several workers, the one that did it last.
            multiprocess_mode="max",
        )
        self._start_at_zero()
        self._installation = _InstallationCollector()
        self._exposed = self._open_exposed_registry(shared=shared)

    def _counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, description, labels, registry=self.registry)

    def _histogram(self, name: str, description: str, labels: Sequence[str]) -> Histogram:
        return Histogram(name, description, labels, buckets=BUCKETS_S, registry=self.registry)

    def _start_at_zero(self) -> None:
        """Show every error code and outcome from 0 on, so that a rate also sees the first one."""
        own_codes = [error_class("").code for error_class in StreamflowError.__subclasses__()]
        for code in (*HTTP_CODES, *own_codes):
            self._errors.labels(code)
        for outcome in OUTCOMES:
            self._reloads.labels(outcome)

    def _open_exposed_registry(self, *, shared: bool) -> CollectorRegistry:
        exposed = CollectorRegistry() if shared else self.registry
        exposed.register(self._installation)
        if shared:
            MultiProcessCollector(exposed)  # type: ignore[no-untyped-call]
        ProcessCollector(registry=exposed)
        PlatformCollector(registry=exposed)
        return exposed

    def count_answer(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answer, with the time that it took in seconds."""
        labels = method, path, status
        if labels not in self._request_children:
            self._request_children[labels] = (
                self._requests.labels(*labels),
                self._latency.labels(method, path),
            )
        requests, latency = self._request_children[labels]
        requests.inc()
        latency.observe(seconds)

    def count_error(self, code: str) -> None:
        """Count an answer with this error code."""
        self._errors.labels(code).inc()

    def count_prediction(self, version: int, prediction: int) -> None:
        """Count a prediction of a model version."""
        labels = version, prediction
        if labels not in self._prediction_children:
            self._prediction_children[labels] = self._predictions.labels(*labels)
        self._prediction_children[labels].inc()

    def observe_phase(self, phase: str, seconds: float) -> None:
        """Record how long a phase took, in seconds."""
        self._phases[phase].observe(seconds)

    def count_unlogged(self, answers: int) -> None:
        """Count answers that were given although they could not be logged."""
        self._unlogged.inc(answers)

    def count_reload(self, outcome: Literal["swapped", "refused"], version: int) -> None:
        """Count a version that answers from now on, or a version that was refused."""
        self._reloads.labels(outcome).inc()
        self._reload_times.labels(str(version), outcome).set(time.time())

    def render(self, readiness: Readiness) -> bytes:
        """Return all metrics in Prometheus' text format, with those of the given readiness."""
        self._installation.readiness = readiness
        return generate_latest(self._exposed)


class _InstallationCollector(Collector):
    """The metrics of the installation at the moment of a scrape, even if there are no requests."""

    readiness: Readiness | None = None

    def describe(self) -> list[Metric]:
        """Return no metrics. Without this the registry would collect once to learn their names.

        At that moment nothing is open yet.
        """
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the last readiness."""
        readiness = self.readiness
        if readiness is None:
            return
        yield _gauge(
            "streamflow_ready",
            "1 if the API can make a prediction now, else 0",
            not readiness.reasons,
        )
        yield from _collect_model(readiness)
        yield _gauge(
            "streamflow_feature_age_seconds",
            "Time from the as_of of the live features to now",
            _feature_age(readiness),
        )
        yield _gauge("streamflow_waiting_ids", "Ids that wait for an answer", readiness.waiting)
        for suffix, description, statistic in POOL_GAUGES:
            value = readiness.pool.get(statistic, 0)
            yield _gauge(f"streamflow_pool_{suffix}", description, value)


def _collect_model(readiness: Readiness) -> Iterator[Metric]:
    current = readiness.current
    serving = current.serving
    info = GaugeMetricFamily(
        "streamflow_model_info",
        "Always 1; the labels name the version that answers",
        labels=("name", "version", "run_id"),
    )
    if serving is not None:
        info.add_metric((serving.model, str(serving.version), serving.run_id), 1)
    yield info
    yield _gauge(
        "streamflow_model_refused",
        "1 while a different version should answer but cannot be served",
        bool(current.refused and serving is not None),
    )
    if current.loaded is not None:
        yield _gauge(
            "streamflow_model_loaded_timestamp_seconds",
            "When this process began to answer with the version",
            current.loaded.timestamp(),
        )


def _feature_age(readiness: Readiness) -> float | None:
    if readiness.as_of is None:
        return None
    return time.time() - readiness.as_of.timestamp()


def _gauge(name: str, description: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, description)
    if value is not None:
        family.add_metric((), value)
    return family
