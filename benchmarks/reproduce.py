"""Time the rebuilding of a version against the training that it repeats, in the same run.

whole      the median of `reproduce` against that of `train`: 7,043 users, own processes, in turns
data part  a million users, two months: from the snapshots to the matrix and all digests.
           `reproduce` also compares the digest of each frozen revision, with the columns that the
           model does not use, with the one in the version's passport
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ratios import IS_SHORT, Ratio, record

if TYPE_CHECKING:
    from streamflow.platform import Platform

USERS, MANY = 7_043, int(os.environ.get("USERS", "1000000"))
RUNS = int(os.environ.get("RUNS", "5"))
DAYS = ("2024-01-31", "2024-02-29")
REQUIRED, MEMORY_GB = 2.0, 4.0


def main() -> int:
    """Print both tables; 1 when a ratio or the memory is above what is allowed."""
    if len(sys.argv) > 1:
        return _part(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        wholes = _installed(Path(folder, "small"), USERS, _whole)
        parts = _installed(Path(folder, "large"), MANY, _data_parts)
    return int(wholes) | int(parts)


def _installed(folder: Path, users: int, measure: object) -> bool:
    """Two months frozen in a state folder of their own while `measure` runs."""
    from streamflow.database.embedded import remove_server
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings

    os.environ["STREAMFLOW_HOME"] = str(folder / "home")
    try:
        with open_platform(load_settings(), must_be_migrated=False):  # keeps the server up
            _run(
                "simulate",
                str(folder / "drops"),
                "--users",
                str(users),
                "--months",
                "2",
                "--seed",
                "42",
            )
            _run("migrate")
            for month, day in enumerate(DAYS):
                _run("ingest", str(folder / "drops" / f"month_{month:03d}"), "--as-of", day)
                _run("snapshot", "--as-of", day)
            assert callable(measure)
            return bool(measure())
    finally:
        remove_server(folder / "home")


def _run(*arguments: str) -> float:
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "streamflow", "--quiet", *arguments],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begin


def _whole() -> bool:
    trainings, rebuilds = [], []
    for number in range(1, RUNS + 1):
        trainings.append(_run("train", "--as-of", DAYS[-1]))
        rebuilds.append(_run("reproduce", str(number)))
    ratio = median(rebuilds) / median(trainings)
    print(f"{USERS:,} users, {RUNS} runs each, processes")
    print(f"{'train':<14}{median(trainings):>8.2f} s\n{'reproduce':<14}{median(rebuilds):>8.2f} s")
    print(f"reproduce takes {ratio:.2f} of the time of train; at most {REQUIRED:.1f} is allowed\n")
    measured = Ratio(
        section="reproduce",
        measure="reproduce, in trainings",
        value=ratio,
        bound=REQUIRED,
        is_lowest=False,
    )
    return not record(measured)


def _data_parts() -> bool:
    os.environ["STREAMFLOW_TREES"] = "5"
    _run("train", "--as-of", DAYS[-1])
    found = {part: [_measured(part) for _ in range(3)] for part in ("training", "rebuild")}
    seconds = {part: median(s for s, _, _ in runs) for part, runs in found.items()}
    digests = {digest for runs in found.values() for _, _, digest in runs}
    memory = max(gigabytes for _, gigabytes, _ in found["rebuild"])
    ratio = seconds["rebuild"] / seconds["training"]
    print(f"{MANY:,} users, two months, from the snapshots to the matrix and all digests")
    for part, runs in found.items():
        print(f"{part:<14}{seconds[part]:>8.2f} s{max(g for _, g, _ in runs):>8.2f} GB")
    print(
        f"the rebuild takes {ratio:.2f} of the time;"
        f" at most {REQUIRED:.1f} and {MEMORY_GB:.0f} GB are allowed"
    )
    assert len(digests) == 1, digests
    measured = Ratio(
        section="reproduce",
        measure=f"data of {MANY:,} users, in trainings",
        value=ratio,
        bound=None if IS_SHORT else REQUIRED,
        is_lowest=False,
    )
    return not record(measured) or memory > MEMORY_GB


def _measured(part: str) -> tuple[float, float, str]:
    """Seconds, gigabytes at most, and the digest of the training set."""
    process = subprocess.Popen([sys.executable, __file__, part], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return said["seconds"], usage.ru_maxrss * 1024 / 1e9, said["digest"]


def _part(part: str) -> int:
    """One data part in this process, vendors imported before the clock starts."""
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings

    with open_platform(load_settings()) as platform:
        platform.features.open()
        platform.models.versions()
        begin = time.perf_counter()
        digest = _training(platform) if part == "training" else _rebuild(platform)
        print(json.dumps({"seconds": time.perf_counter() - begin, "digest": digest}))
    return 0


def _training(platform: Platform) -> str:
    from datetime import datetime

    from streamflow.steps.training.training_set import training_set

    return training_set(platform, datetime.fromisoformat(f"{DAYS[-1]}T00:00Z")).digest


def _rebuild(platform: Platform) -> str:
    from streamflow.steps.versions.data_level import verify_frozen_rows
    from streamflow.steps.versions.rebuilt_training_set import rebuild_training_set
    from streamflow.steps.versions.recorded_version import (
        find_recorded_version,
        platform_as_recorded,
    )

    passport = find_recorded_version(platform, "1").passport
    then = platform_as_recorded(platform, passport)
    examined = verify_frozen_rows(then, passport)
    assert examined.level.is_same
    return rebuild_training_set(then, passport, read_rows=examined.read_rows).digest


if __name__ == "__main__":
    sys.exit(main())
