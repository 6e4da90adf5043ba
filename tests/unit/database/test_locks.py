"""The numbers of the advisory locks: they never change, and no other module has one of its own."""

from __future__ import annotations

import re
from pathlib import Path

import streamflow
from streamflow.database import locks

PACKAGE = Path(streamflow.__file__).parent
NUMBER = re.compile(r"\b7_?590_?00\d\b")


def test_the_numbers_are_those_that_older_versions_use() -> None:
    assert (locks.MIGRATION, locks.RAW_AND_FROZEN_ROWS) == (7_590_001, 7_590_002)
    assert (locks.DROP_LOADING, locks.INBOX) == (7_590_003, 7_590_003)
    assert (locks.LEDGER, locks.MONITOR_REPORT, locks.RETRAINING) == (
        7_590_004,
        7_590_005,
        7_590_006,
    )


def test_the_number_of_a_scoring_is_the_begin_of_its_digest() -> None:
    assert locks.score_lock("00000000000000ff" + "a" * 48) == 255
    assert locks.score_lock("ff" * 32) == -1


def test_no_other_module_has_a_lock_number() -> None:
    migrations = PACKAGE / "warehouse" / "migrations"
    modules = [path for path in PACKAGE.rglob("*.py") if NUMBER.search(path.read_text())]
    elsewhere = [path for path in modules if not path.is_relative_to(migrations)]
    assert elsewhere == [PACKAGE / "database" / "locks.py"]


def test_a_trigger_of_a_migration_takes_a_lock_that_the_module_names() -> None:
    numbers = {
        int(number)
        for path in (PACKAGE / "warehouse" / "migrations").rglob("*.py")
        for number in re.findall(r"pg_advisory_\w+\((\d+)\)", path.read_text())
    }
    assert numbers == {locks.RAW_AND_FROZEN_ROWS, locks.FORGETTING}
