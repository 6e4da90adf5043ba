"""Proof: hostile clients without a key take no predictions away from others.

Eight of them send a request that never ends, and begin again when the API closes the connection.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from conftest import Cluster
from support.api import SERVERS, served
from support.flood import percentile
from support.hostile import ATTACKS, attacked
from support.load import Load
from support.states import JANUARY_SERVED, in_state

from streamflow.platform import Platform
from streamflow.steps.serving.api_keys import create_key

HOSTILE = 8
CLIENTS, PAUSE_S = 4, 0.04  # about 90 predictions in a second: a machine in use, not a full one
WINDOW_S = 5.0
SHARE = 0.8  # of their throughput that the predictions of others keep
GROWTH_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Window:
    """The predictions in a window of time: how many per second, and how slow."""

    rate: float
    p99_ms: float


@pytest.fixture(scope="module")
def installed(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("hostile") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        yield platform


def predict(base: str, keys: list[str], api_key: str | None) -> Window:
    """Ask for predictions as well-behaved clients do."""
    with Load(base, keys, clients=CLIENTS, pause=PAUSE_S, api_key=api_key) as load:
        time.sleep(WINDOW_S)
    assert ({reply.status for reply in load.replies}, load.broken) == ({200}, [])
    seconds = [reply.seconds for reply in load.replies]
    return Window(rate=len(seconds) / WINDOW_S, p99_ms=percentile(seconds, 0.99) * 1000)


@pytest.mark.parametrize("auth", ["on", "off"])
def test_hostile_clients_take_nothing_from_others(installed: Platform, auth: str) -> None:
    rows = installed.connection.execute("SELECT user_id FROM online.subs_profile_fv").fetchall()
    keys = [key for (key,) in rows]
    name = f"hostile {auth}"
    api_key = create_key(installed, name, scope="predict", days=None).key
    extra = {"STREAMFLOW_API_AUTH": auth, "STREAMFLOW_LOG_LEVEL": "warning"}
    shares, growths = {}, {}
    print(f"\n{HOSTILE} hostile clients, api_auth={auth}   predictions/s   share   p99 ms      MB")
    with served(installed, extra=extra) as base:
        process = psutil.Process(SERVERS[base])
        calm = predict(base, keys, api_key)
        for kind in ATTACKS:
            before = process.memory_info().rss
            with attacked(base, kind, clients=HOSTILE, seconds=60):
                time.sleep(0.5)
                during = predict(base, keys, api_key)
                growths[kind] = process.memory_info().rss - before
            time.sleep(2.5)  # the API closes what it still holds
            after = predict(base, keys, api_key)
            shares[kind] = during.rate / ((calm.rate + after.rate) / 2)
            calm = after
            print(
                f"  {kind:<30}{during.rate:>18.0f}{shares[kind]:>8.2f}"
                f"{during.p99_ms:>9.0f}{growths[kind] / 2**20:>8.1f}"
            )
    assert {kind: share for kind, share in shares.items() if share < SHARE} == {}
    assert {kind: size for kind, size in growths.items() if size > GROWTH_BYTES} == {}
