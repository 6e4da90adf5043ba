"""Everything that must not matter to a training.

Where, when, by whom, with how many cores, and from which physical order it runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polars as pl
import psycopg

ZONES = ("UTC", "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham", "Europe/Berlin")
CLOCKS = ("", "1999-12-31 23:59:58", "2031-05-05 03:00:00", "2024-02-29 12:00:00")
FROZEN = (
    "users",
    "subscriptions",
    "usage_agg_30d",
    "payments_agg_90d",
    "support_agg_90d",
    "labels",
)


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One way to run a command.

    `clock` is empty for the real one; `order` seeds the order in which rows lie or arrive.
    """

    number: int
    folder: str
    clock: str
    zone: str
    locale: str
    hash_seed: int
    cores: int
    order: int

    def __str__(self) -> str:
        """One line of a table."""
        return (
            f"{self.number:>3}  {self.clock or 'now':<20}{self.zone:<18}{self.locale:<16}hash"
            f" seed {self.hash_seed:<11}"
            f"{self.cores} cores  order {self.order:<11}{self.folder}"
        )

    def run(
        self, folder: Path, *arguments: str, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """`streamflow ARGUMENTS` in a folder of its own below `folder`."""
        here = folder / self.folder
        here.mkdir(parents=True, exist_ok=True)
        cores = sorted(os.sched_getaffinity(0))[: self.cores]
        command = [
            "taskset",
            "-c",
            ",".join(map(str, cores)),
            sys.executable,
            "-m",
            "streamflow",
            "--quiet",
            *arguments,
        ]
        if self.clock:
            command = ["faketime", self.clock, *command]
        varied = {
            "TZ": self.zone,
            "LC_ALL": self.locale,
            "LANG": self.locale,
            "PYTHONHASHSEED": str(self.hash_seed),
        }
        return subprocess.run(
            command,
            cwd=here,
            env={**os.environ, **environment, **varied},
            capture_output=True,
            text=True,
            check=False,
        )


def variations(count: int, *, seed: int) -> list[Variation]:
    """`count` of them, drawn; clocks only where faketime is installed, one or two cores in turn."""
    random, locales = Random(seed), installed_locales()
    return [
        Variation(
            number=number + 1,
            folder=random.choice(["plain", "with a space", "Ünïcode", "deep/er/and/deeper"])
            + f"-{number}",
            clock=random.choice(CLOCKS) if shutil.which("faketime") else "",
            zone=random.choice(ZONES),
            locale=random.choice(locales),
            hash_seed=random.randrange(2**32),
            cores=number % 2 + 1,
            order=random.randrange(2**31),
        )
        for number in range(count)
    ]


def installed_locales() -> list[str]:
    """The locales of this machine."""
    said = subprocess.run(
        ["locale", "-a"], capture_output=True, text=True, check=True
    ).stdout.split()
    return [name for name in said if name != "POSIX"]


def lie_otherwise(administrator: str, seed: int) -> None:
    """Write every frozen table anew, in a different physical order of rows.

    This needs its owner, with the trigger off.
    """
    with psycopg.connect(administrator) as connection:
        for table in FROZEN:
            connection.execute(
                f"CREATE TEMP TABLE lying ON COMMIT DROP AS SELECT * FROM frozen.{table};"
                f"ALTER TABLE frozen.{table} DISABLE TRIGGER USER; TRUNCATE frozen.{table};"
                f"INSERT INTO frozen.{table} SELECT * FROM lying ORDER BY md5(user_id || '{seed}');"
                f"ALTER TABLE frozen.{table} ENABLE TRIGGER USER; DROP TABLE lying"  # type: ignore[arg-type]
            )


def arrives_otherwise(drop: Path, to: Path, seed: int) -> Path:
    """A copy of a drop, the rows of each file in another order."""
    to.mkdir(parents=True)
    for number, path in enumerate(sorted(drop.glob("*.csv"))):
        frame = pl.read_csv(path, infer_schema=False)
        frame.sample(fraction=1, shuffle=True, seed=seed + number).write_csv(to / path.name)
    return to
