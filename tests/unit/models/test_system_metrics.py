"""The state of the machine during a training."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from streamflow.models.model_version import create_model_version
from streamflow.models.system_metrics import (
    FIRST_INTERVAL_S,
    MAX_SAMPLES,
    SystemSample,
    SystemSamples,
    measure_system,
)


def count_threads() -> int:
    return sum(thread.name == "system-metrics" for thread in threading.enumerate())


def test_a_short_training_has_one_sample_and_leaves_no_thread() -> None:
    with measure_system() as samples:
        assert count_threads() == 1
    assert count_threads() == 0
    (sample,) = samples.samples
    assert sample.values["system/disk_usage_megabytes"] > 0
    assert abs(sample.time_ms - time.time() * 1000) < 60_000


def test_a_machine_without_a_network_has_no_metrics_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "net_io_counters", lambda: None)
    with measure_system() as samples:
        pass
    names = set(samples.samples[0].values)
    assert "system/cpu_utilization_percentage" in names
    assert not {name for name in names if "network" in name}


def test_a_training_that_fails_leaves_no_thread() -> None:
    with pytest.raises(ZeroDivisionError), measure_system():
        _ = 1 / 0
    assert count_threads() == 0


def test_a_long_training_is_sampled_less_often() -> None:
    samples = SystemSamples()
    for instant in range(10 * MAX_SAMPLES):
        samples.add(SystemSample(time_ms=instant, values={}))
        assert len(samples.samples) <= MAX_SAMPLES
    times = [sample.time_ms for sample in samples.samples]
    assert times == sorted(times)
    assert times[0] == 0
    assert samples.interval_s > 8 * FIRST_INTERVAL_S


def test_the_metrics_of_a_version_are_those_of_its_model() -> None:
    version = SimpleNamespace(
        version="1",
        run_id="r",
        current_stage="None",
        creation_timestamp=0,
        last_updated_timestamp=None,
        tags={},
    )
    metrics = {"auc": 0.8, "system/cpu_utilization_percentage": 12.0}
    assert create_model_version(version, metrics, {}).metrics == {"auc": 0.8}
