"""Proof: versions change under load without a failed or a mixed answer.

Memory stays flat; overload and idle clients do no harm.

PROVE_REQUESTS sets how many requests the memory is watched over.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from conftest import Cluster
from mlflow import MlflowClient
from support.api import served
from support.chain import JANUARY, run
from support.flood import ask, connected, flood, percentile
from support.load import Load, Reply, Truths, not_logged, truths, wrong
from support.processes import wait_for
from support.proxy import proxied
from support.scrape import numbers

from streamflow.core.promotion.ledger import PRODUCTION, rollback_version
from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform, open_platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.rollback import rollback
from streamflow.steps.stages.ledger import read_ledger
from streamflow.steps.stages.transitions import reconcile
from streamflow.steps.training.train import train

SEED, SWAPS, CLIENTS = 7, 50, 4
LATE_S = 5.0  # after which a version that is no longer in Production may not answer
REQUESTS = int(os.environ.get("PROVE_REQUESTS", "1000000"))
GROWTH_BYTES = 16 << 20  # what the allocator may still take after the first tenth
IDLE = 10_000
THRESHOLDS = {1: 0.3, 2: 0.4, 3: 0.5}
TIME_LIMIT_S, WAITING, TURNS = 2.0, 100, 2 * 64  # ids that may wait, and that are in work


@pytest.fixture(scope="module")
def installed(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Three versions; the first is in Production."""
    name = f"sf_test_{uuid4().hex[:12]}"
    cluster.clone(name)
    settings = cluster.settings(
        name, tmp_path_factory.mktemp("proof") / "home", trees=25, calibration="none"
    )
    with open_platform(settings) as platform:
        run(platform, simulated_drops / "month_000", JANUARY)
        for version, threshold in THRESHOLDS.items():
            train(
                replace(
                    platform,
                    settings=settings.model_copy(update={"seed": version, "threshold": threshold}),
                ),
                JANUARY,
            )
        promote(platform, 1, force=True, why="the first")
        yield platform
    cluster.drop(name)


@pytest.fixture(scope="module")
def keys(installed: Platform) -> list[str]:
    found = installed.connection.execute(
        "SELECT user_id FROM online.subs_profile_fv ORDER BY user_id"
    ).fetchall()
    return [key for (key,) in found]


@pytest.fixture(scope="module")
def truth(installed: Platform, keys: list[str]) -> Truths:
    return truths(installed, keys, list(THRESHOLDS))


@dataclass(frozen=True, kw_only=True)
class Swap:
    """A change of Production: by what, from when to when it was made, and to which version."""

    by: str
    began: float
    version: int


def swap(platform: Platform, random: Random) -> Swap:
    """Promote, roll back, or move the stage as MLflow's page does.

    `reconcile` enters such a move, like a service of `up`.
    """
    entries = read_ledger(platform)
    now = next(e.to_version for e in reversed(entries) if e.moves and e.stage == PRODUCTION)
    version = random.choice([one for one in THRESHOLDS if one != now])
    by = random.choice(
        ["promote", "MLflow", "rollback" if rollback_version(entries) is not None else "promote"]
    )
    began = time.time()
    if by == "promote":
        promote(platform, version, force=True, why="a proof")
    elif by == "rollback":
        version = rollback(platform, why="a proof").version
    else:
        client = MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)
        with ignore_stage_warnings():
            client.transition_model_version_stage(
                "streamflow_churn", str(version), PRODUCTION, archive_existing_versions=True
            )
        reconcile(platform)
    return Swap(by=by, began=began, version=version)


def late(
    platform: Platform, swaps: Sequence[Swap], replies: Sequence[Reply], known: int
) -> tuple[list[str], float]:
    """The answers by a version that was not in Production within the last 5 s.

    Also the latest of the remaining answers, in s.

    A version is in Production from the start of its move until the ledger has the next move.
    `known` entries are older.
    """
    entries = [e for e in read_ledger(platform)[known:] if e.moves and e.stage == PRODUCTION]
    assert [e.to_version for e in entries] == [one.version for one in swaps]
    held = [(1, 0.0, entries[0].since.timestamp())]
    ends = [*(e.since.timestamp() for e in entries[1:]), time.time()]
    held += [(one.version, one.began, end) for one, end in zip(swaps, ends, strict=True)]
    found, latest = [], 0.0
    for reply in replies:
        began = reply.at - reply.seconds
        after = min(
            (
                max(0.0, began - end)
                for v, start, end in held
                if v == reply.version and start <= reply.at
            ),
            default=LATE_S + 1,
        )
        latest = max(latest, after)
        if after > LATE_S:
            found.append(
                f"{reply.request_id}: version {reply.version},"
                f" {after:.1f} s after it was in Production"
            )
    return found, latest


def test_versions_change_hands_under_load(
    installed: Platform, keys: list[str], truth: Truths
) -> None:
    random, swaps, known = Random(SEED), list[Swap](), len(read_ledger(installed))
    with served(installed) as base, Load(base, keys, clients=CLIENTS) as load:
        for _ in range(SWAPS):
            swaps.append(swap(installed, random))
            time.sleep(random.uniform(0.0, 4.0))
        assert wait_for(lambda: load.replies[-1].version == swaps[-1].version, seconds=10)
        reloads = numbers(base)["streamflow_model_reloads_total"]
    found, latest = late(installed, swaps, load.replies, known)
    failed = [reply for reply in load.replies if reply.status != 200]
    by = {name: sum(one.by == name for one in swaps) for name in ("promote", "MLflow", "rollback")}
    print(f"\nseed {SEED}: {SWAPS} swaps {by} under {CLIENTS} clients without a pause")
    print(f"  answers                                        {len(load.replies):>9}")
    print(f"  failed                                         {len(failed) + len(load.broken):>9}")
    print(f"  wrong, or with parts of two versions           {len(wrong(load.replies, truth)):>9}")
    print(
        f"  not in the log as given                       "
        f" {len(not_logged(installed, load.replies)):>9}"
    )
    print(f"  by a version that left Production {LATE_S:.0f} s before    {len(found):>9}")
    print(f"  latest answer by a version after it left       {latest:>9.2f} s")
    print(f"  reloads                                        {reloads[('swapped',)]:>9.0f}")
    assert (
        failed,
        load.broken,
        wrong(load.replies, truth),
        not_logged(installed, load.replies),
        found,
    ) == ([], [], [], [], [])
    assert reloads[("refused",)] == 0
    promote(installed, 1, force=True, why="back")


def test_memory_is_flat(installed: Platform, keys: list[str], truth: Truths) -> None:
    marks, mistakes, asked = list[tuple[int, float]](), list[str](), 0
    with served(installed, extra={"STREAMFLOW_LOG_LEVEL": "warning"}) as base:
        for tenth in range(1, 11):
            end = REQUESTS * tenth // 10

            def seen(reply: Reply) -> None:
                nonlocal asked
                asked += 1
                mistakes.extend(wrong([reply], truth))

            flood(
                base,
                keys,
                clients=8,
                name=f"memory-{tenth}",
                until=lambda end=end: asked >= end,
                seen=seen,
            )  # type: ignore[misc]
            marks.append((asked, numbers(base)["process_resident_memory_bytes"][()]))
    print("\n   requests   resident MB")
    for number, size in marks:
        print(f"  {number:>9}   {size / 2**20:>11.1f}")
    assert mistakes == []
    assert marks[-1][1] - marks[0][1] < GROWTH_BYTES


def test_ten_thousand_connections_that_ask_nothing(
    installed: Platform, keys: list[str], truth: Truths
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 500:
        pytest.skip(f"this process may open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 500), hard))

    async def work(base: str) -> tuple[list[Reply], float, int]:
        async with AsyncExitStack() as closing:
            idle = [await closing.enter_async_context(connected(base)) for _ in range(IDLE)]
            opened = time.monotonic()
            reader, writer = await closing.enter_async_context(connected(base))
            replies = [await ask(reader, writer, key, f"idle-{n}") for n, key in enumerate(keys)]
            closed = await asyncio.gather(*(one.read(1) for one, _ in idle))
            return replies, time.monotonic() - opened, sum(content == b"" for content in closed)

    try:
        with served(installed, extra={"STREAMFLOW_API_CLIENT_LIMIT": "30"}) as base:
            before = numbers(base)["process_resident_memory_bytes"][()]
            replies, seconds, closed = asyncio.run(work(base))
            after = numbers(base)["process_resident_memory_bytes"][()]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    p99 = percentile([reply.seconds for reply in replies], 0.99) * 1000
    print(
        f"\n{IDLE} idle connections: {len(replies)} answers beside them,"
        f" p99 {p99:.1f} ms; {closed} closed by the API after"
    )
    print(
        f"  {seconds:.0f} s; resident {before / 2**20:.0f} MB before, {after / 2**20:.0f} MB after"
    )
    assert (wrong(replies, truth), [reply.status for reply in replies]) == ([], [200] * len(keys))
    assert closed == IDLE


def test_five_times_what_it_can_hold(installed: Platform, keys: list[str], truth: Truths) -> None:
    """Five times as many clients as may wait and be in work, and none waits as it is told to."""
    url = installed.settings.database_url
    assert url is not None
    clients, replies, before = 5 * (WAITING + TURNS), list[Reply](), list[Reply]()
    extra = {
        "STREAMFLOW_API_MAX_WAITING": str(WAITING),
        "STREAMFLOW_API_TIME_LIMIT": str(TIME_LIMIT_S),
    }
    with proxied(url.get_secret_value()) as proxy:
        proxy.up()
        with served(
            installed,
            extra={
                **extra,
                "STREAMFLOW_DATABASE_URL": proxy.url,
                "STREAMFLOW_LOG_LEVEL": "warning",
            },
        ) as base:
            proxy.delay = 0.02  # so that this machine's clients can be five times too many
            calm, end = time.monotonic() + 5, time.monotonic() + 25
            flood(
                base,
                keys,
                clients=16,
                name="calm",
                until=lambda: time.monotonic() > calm,
                seen=before.append,
            )
            flood(
                base,
                keys,
                clients=clients,
                name="flood",
                until=lambda: time.monotonic() > end,
                seen=replies.append,
                pause_s=0.2,
            )
            with Load(base, keys, clients=4) as after:
                time.sleep(2)
    given = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status == 503]
    print(
        f"\n{clients} clients, of whom {WAITING + TURNS} may wait or be answered;"
        f" PostgreSQL answers after 20 ms"
    )
    print("                 answers   p50 ms   p99 ms")
    for name, some in (
        ("before", before),
        ("accepted", given),
        ("refused", refused),
        ("after", after.replies),
    ):
        p50, p99 = (
            percentile([reply.seconds for reply in some], share) * 1000 for share in (0.5, 0.99)
        )
        print(f"  {name:<12}{len(some):>10}{p50:>9.0f}{p99:>9.0f}")
    assert wrong([*before, *replies, *after.replies], truth) == []
    assert not_logged(installed, [*before, *replies, *after.replies]) == []
    assert {reply.status for reply in [*before, *after.replies]} == {200}
    assert after.broken == []
    assert percentile([reply.seconds for reply in given], 0.99) < 2 * TIME_LIMIT_S
