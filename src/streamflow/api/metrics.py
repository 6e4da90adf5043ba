"""What the API counts, for Prometheus. Labels hold names of ours only: never a key, a value or a path of a client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streamflow.api.codes import OF_HTTP
from streamflow.api.state import Look
from streamflow.errors import StreamflowError

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The numbers of one application, in a registry of its own."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self.registry = CollectorRegistry()
        asked = ("method", "path")
        self._requests = Counter("api_requests", "Answered requests", (*asked, "status"), registry=self.registry)
        self._latency = Histogram(
            "api_request_latency_seconds",
            "From a request to the end of its answer",
            asked,
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._errors = Counter("api_errors", "Answers that are an error, by its code", ("code",), registry=self.registry)
        for code in (*OF_HTTP, *(kind("").code for kind in StreamflowError.__subclasses__())):
            self._errors.labels(code)  # from 0 on: a rate sees the first one, too
        self._predictions = Counter("streamflow_predictions", "Predictions", ("version", "prediction"), registry=self.registry)
        self.registry.register(_Installation(look))
        for kind in (ProcessCollector, PlatformCollector):
            kind(registry=self.registry)

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(method, path, status).inc()
        self._latency.labels(method, path).observe(seconds)

    def failed(self, code: str) -> None:
        """Count an error."""
        self._errors.labels(code).inc()

    def predicted(self, version: int, prediction: int) -> None:
        """Count a prediction."""
        self._predictions.labels(version, prediction).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)


class _Installation(Collector):
    """What could be predicted at the moment of the scrape, whether or not anybody asks."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        """The registry would collect once to learn the names: nothing is open yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look once."""
        found = self._look()
        ready = GaugeMetricFamily("streamflow_ready", "1 when a prediction can be made now, else 0")
        ready.add_metric((), not found.reasons)
        yield ready
        info = GaugeMetricFamily("streamflow_model_info", "1, of the version that answers", labels=("name", "version", "run_id"))
        if found.serving is not None:
            info.add_metric((found.serving.model, str(found.serving.version), found.serving.run_id), 1)
        yield info
        age = GaugeMetricFamily("streamflow_feature_age_seconds", "From the as_of of the live features to now")
        if found.as_of is not None:
            age.add_metric((), time.time() - found.as_of.timestamp())
        yield age
