"""Measure the machine while a model is trained, as MLflow's system metrics do.

Names and units are those of MLflow, which shows these metrics on a page of their own. MLflow's own
monitor needs a run, but the run of a training is made when the training is done.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PREFIX = "system/"  # the beginning of the names, by which MLflow's pages know these metrics
FIRST_INTERVAL_S = 1.0
# A long training is sampled less often: from here on every second sample goes, again and again.
MAX_SAMPLES = 100
MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class SystemSample:
    """The state of the machine at one instant: name of MLflow -> value."""

    time_ms: int
    values: Mapping[str, float]


@dataclass(kw_only=True)
class SystemSamples:
    """The samples of one training, in their order.

    Attributes:
        samples: At most MAX_SAMPLES.
        interval_s: The seconds between two of them.
    """

    samples: list[SystemSample] = field(default_factory=list)
    interval_s: float = FIRST_INTERVAL_S

    def add(self, sample: SystemSample) -> None:
        """Add a sample. When there are too many, drop every second one and sample half as often."""
        self.samples.append(sample)
        if len(self.samples) > MAX_SAMPLES:
            self.samples = self.samples[::2]
            self.interval_s *= 2


@contextmanager
def measure_system() -> Iterator[SystemSamples]:
    """Sample the machine in a thread during the `with` block, and once at its end.

    The thread has ended when the block is left.
    """
    samples = SystemSamples()
    has_ended = threading.Event()
    take_sample = _Sampler()

    def sample_regularly() -> None:
        while not has_ended.wait(samples.interval_s):
            samples.add(take_sample())

    thread = threading.Thread(target=sample_regularly, name="system-metrics", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        has_ended.set()
        thread.join()
    samples.add(take_sample())


class _Sampler:
    """Reads the counters of the machine. Those of the network count from its creation on."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._network = psutil.net_io_counters()
        psutil.cpu_percent()  # the first call begins to measure, and returns 0

    def __call__(self) -> SystemSample:
        """Take a sample."""
        memory = self._psutil.virtual_memory()
        disk = self._psutil.disk_usage(os.sep)
        values = {
            "cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.used / memory.total * 100,
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / MEGABYTE,
            "disk_available_megabytes": disk.free / MEGABYTE,
            **self._read_network(),
        }
        rounded = {f"{PREFIX}{name}": round(value, 1) for name, value in values.items()}
        return SystemSample(time_ms=int(time.time() * 1000), values=rounded)

    def _read_network(self) -> dict[str, float]:
        """Return what was received and sent; nothing if the machine has no network."""
        network = self._psutil.net_io_counters()
        if network is None or self._network is None:
            return {}
        received = network.bytes_recv - self._network.bytes_recv
        transmitted = network.bytes_sent - self._network.bytes_sent
        return {
            "network_receive_megabytes": received / MEGABYTE,
            "network_transmit_megabytes": transmitted / MEGABYTE,
        }


def log_system_metrics(client: MlflowClient, run_id: str, samples: SystemSamples) -> None:
    """Log the samples of a training to its run.

    They describe a machine and not a model, so they are no metrics of the logged model.
    """
    from mlflow.entities import Metric

    metrics = [
        Metric(name, value, sample.time_ms, step)
        for step, sample in enumerate(samples.samples)
        for name, value in sample.values.items()
    ]
    client.log_batch(run_id, metrics=metrics)


def without_system_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of a run that describe its model."""
    return {name: value for name, value in metrics.items() if not name.startswith(PREFIX)}
