"""train certifies where each cell comes from, and refuses future values.

verify compares a version with its certificate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from psycopg import sql
from support.chain import FEBRUARY, JANUARY
from support.command import called
from support.leak import KEY, leak
from support.processes import run
from support.states import TWO_MONTHS, in_state
from support.temporal import planted

from streamflow.cli import reproduce_receipts
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import parse_passport
from streamflow.core.versions.version_files import PASSPORT
from streamflow.errors import TemporalViolation
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.training.certify import certify, prove
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.verify import verify

VIEW = "usage_agg_30d_fv"


@pytest.fixture(scope="module")
def kept(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January and February are frozen, version 1 is of January.

    For tests that leave it unchanged.
    """
    home = tmp_path_factory.mktemp("verify") / "home"
    with in_state(cluster, TWO_MONTHS, simulated_drops, home) as platform:
        yield platform


@pytest.fixture
def spoiled(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[Platform]:
    """The same, for tests that spoil it."""
    with in_state(cluster, TWO_MONTHS, simulated_drops, tmp_path / "home") as platform:
        yield platform


@contextmanager
def administrator(platform: Platform) -> Iterator[psycopg.Connection]:
    """Somebody whom the database lets do anything, while the trigger of the usage is off."""
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute("ALTER TABLE frozen.usage_agg_30d DISABLE TRIGGER frozen")
        yield connection
        connection.execute("ALTER TABLE frozen.usage_agg_30d ENABLE TRIGGER frozen")


def variables(cluster: Cluster, platform: Platform) -> dict[str, str]:
    return cluster.variables(platform.login.database, platform.home)


def value(frame: pl.DataFrame, column: str, key: str = KEY) -> Any:
    return frame.filter(pl.col("user_id") == key)[column].item()


def with_cell(rows: TrainingSet, column: str, to: object, key: str = KEY) -> TrainingSet:
    """The training set with one cell replaced."""
    place = rows.frame["user_id"].to_list().index(key)
    return replace(rows, rows=planted(rows.frame, place, column, to))


def known_at(platform: Platform, as_of: Any) -> Any:
    rows = platform.connection.execute(
        "SELECT known_at FROM streamflow.revision"
        " WHERE table_name = 'usage_agg_30d' AND as_of = %s ORDER BY revision",
        [as_of],
    )
    return rows.fetchall()[0][0]


def test_a_clean_version_is_certified_and_verified_in_any_time_zone(
    kept: Platform, cluster: Cluster
) -> None:
    rows = training_set(kept, FEBRUARY)
    trained = train(kept, FEBRUARY)
    recorded = parse_passport(kept.models.read_run_file(trained.run_id, PASSPORT.name)).certificate
    count = len(rows.frame)
    assert recorded == trained.certificate.values
    assert (recorded["rows"], recorded["cells"], recorded["checked"]) == (
        count,
        count * 15,
        count * 15,
    )
    assert (recorded["sampled"], recorded["violations"]) == (False, 0)
    parts = {part["name"]: part for part in recorded["parts"]}
    assert set(parts) == {"users", "labels", *kept.catalog.views}
    assert {part["as_of"] for part in parts.values()} == {"2024-02-29T00:00:00+00:00"}
    assert parts[VIEW]["known_at"] == known_at(kept, FEBRUARY).isoformat()
    assert KEY not in json.dumps(recorded)

    which = str(trained.version)
    found = verify(kept, which, full=True)
    assert found == verify(kept, trained.run_id)
    assert found.holds
    assert found.certificate == trained.certificate

    with administrator(kept) as connection:
        name = sql.Identifier(kept.login.database)
        connection.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Europe/Berlin'").format(name))
    zones = {"TZ": "America/New_York", "PGTZ": "Asia/Kolkata"}
    environment = {**variables(cluster, kept), **zones}
    told = run(kept.home, "verify", which, extra=environment, forks=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == (
        f"[OK] checked all {count * 15:,} cells against the frozen rows:"
        f" 0 violations; the certificate is the recorded one"
    )
    assert f"making the training set of version {which} again" in told.stderr


def test_a_cell_that_was_changed_after_training_is_noticed_and_its_feature_named(
    kept: Platform, cluster: Cluster
) -> None:
    change = sql.SQL(
        "UPDATE frozen.usage_agg_30d SET skips_7d = skips_7d + {} WHERE user_id = {} AND as_of = {}"
    )
    with administrator(kept) as connection:
        connection.execute(change.format(1, KEY, JANUARY))
        found = verify(kept, "1")
        told = called(kept.home, "verify", "1", "--json", extra=variables(cluster, kept))
        connection.execute(change.format(-1, KEY, JANUARY))
        assert verify(kept, "1").holds
        connection.execute(change.format(1, KEY, FEBRUARY))
        assert verify(kept, "1").holds  # February is no part of it
        connection.execute(change.format(-1, KEY, FEBRUARY))
    assert not found.holds
    assert found.training_set == ("the values of skips_7d are not the recorded ones",)
    assert [d.what for d in found.differences] == ["digest", f"{VIEW} digest"]
    assert told.returncode == 1, told.stderr
    assert json.loads(told.stdout)["training_set"] == list(found.training_set)
    assert (
        reproduce_receipts.verify(found).splitlines()[-1].startswith("[NO] checked all 6,000 cells")
    )


def test_a_forgotten_key_is_a_difference_that_is_told(spoiled: Platform) -> None:
    forget(spoiled, KEY, why="a request")
    found = verify(spoiled, "1")
    assert (found.holds, found.violations) == (False, ())
    assert found.training_set[0] == "it has 399 rows, 400 rows were recorded"
    assert {"rows", "cells", "digest"} <= {d.what for d in found.differences}


def test_a_revision_that_was_smuggled_in_before_k_is_found_by_the_cell_it_changes(
    spoiled: Platform,
) -> None:
    true = value(training_set(spoiled, JANUARY).frame, "skips_7d")
    with administrator(spoiled) as connection:
        connection.execute(
            "INSERT INTO frozen.usage_agg_30d (as_of, revision, user_id,"
            " watch_hours_30d, avg_session_mins_7d, unique_devices_30d,"
            " skips_7d, rebuffer_events_7d, row_digest) SELECT as_of, 2,"
            " user_id, watch_hours_30d, avg_session_mins_7d,"
            " unique_devices_30d, skips_7d + (user_id = %s)::int, rebuffer_events_7d, row_digest"
            " FROM frozen.usage_agg_30d WHERE as_of = %s",
            [KEY, JANUARY],
        )
        connection.execute(
            "INSERT INTO streamflow.revision (table_name, as_of, revision, known_at, rows, digest)"
            " SELECT table_name, as_of, 2, known_at + interval '1 microsecond', rows, digest"
            " FROM streamflow.revision"
            " WHERE table_name = 'usage_agg_30d' AND as_of = %s",
            [JANUARY],
        )
    found = verify(spoiled, "1")
    assert (found.training_set, found.certificate.violations) == ((), 1)
    [violation] = found.violations
    assert (violation.key, violation.what, violation.found, violation.expected) == (
        KEY,
        f"{VIEW}:skips_7d",
        true,
        true + 1,
    )
    first = known_at(spoiled, JANUARY)
    assert (violation.from_as_of, violation.from_known_at) == (JANUARY, first)
    assert violation.known_at == first + timedelta(microseconds=1)
    assert violation.why.startswith("of revision 1, which a newer revision had replaced by")
    assert "violations: 0 -> 1" in map(str, found.differences)
    assert str(violation) in reproduce_receipts.verify(found)


def test_a_value_of_february_in_january_is_named_with_both_instants(kept: Platform) -> None:
    rows = training_set(kept, JANUARY)
    right, wrong = (
        value(rows.frame, "watch_hours_30d"),
        value(training_set(kept, FEBRUARY).frame, "watch_hours_30d"),
    )
    assert right != wrong
    proof = prove(kept, with_cell(rows, "watch_hours_30d", wrong))
    assert proof.certificate.violations == 1
    [violation] = proof.violations
    assert (violation.key, violation.what) == (KEY, f"{VIEW}:watch_hours_30d")
    assert (violation.found, violation.expected) == (wrong, right)
    assert (violation.as_of, violation.known_at) == (
        JANUARY,
        known_at(kept, JANUARY),
    )
    assert (violation.from_as_of, violation.from_known_at) == (
        FEBRUARY,
        known_at(kept, FEBRUARY),
    )
    assert violation.why == "after 2024-01-31"
    assert prove(kept, rows).certificate.parts == proof.certificate.parts


def test_a_wrong_label_a_foreign_key_and_a_lacking_key_are_named(kept: Platform) -> None:
    rows = training_set(kept, JANUARY)
    label = value(rows.frame, "churn_label")
    [wrong] = prove(kept, with_cell(rows, "churn_label", not label)).violations
    assert (wrong.key, wrong.what, wrong.found, wrong.expected) == (
        KEY,
        "labels:churn_label",
        not label,
        label,
    )
    less = replace(rows, rows=rows.frame.filter(pl.col("user_id") != KEY))
    [lacking] = prove(kept, less).violations
    assert (lacking.key, lacking.what) == (KEY, "users")
    assert "no row in the training set" in str(lacking)
    more = replace(
        rows, rows=pl.concat([rows.frame, rows.frame[:1].with_columns(user_id=pl.lit("nobody"))])
    )
    found = prove(kept, more).violations
    assert {v.key for v in found} == {"nobody"}
    assert {v.what for v in found} >= {"users", "labels:churn_label", f"{VIEW}:skips_7d"}
    with pytest.raises(
        TemporalViolation, match=r"nobody users: the key does not exist as of 2024-01-31"
    ) as refused:
        certify(kept, more)
    assert refused.value.facts["violations"] == [str(v) for v in found]


def test_a_sample_checks_some_keys_and_full_all(kept: Platform) -> None:
    rows = training_set(kept, JANUARY)
    sampled = prove(kept, rows, sample=1500).certificate
    assert (sampled.checked, sampled.cells, sampled.sampled, sampled.violations) == (
        1500,
        6000,
        True,
        0,
    )
    assert prove(kept, rows, sample=1500).certificate == sampled
    leaking = replace(rows, rows=rows.frame.with_columns(pl.col("skips_7d") + 1))
    assert prove(kept, leaking, sample=1500).certificate.violations == 100
    assert prove(kept, leaking, sample=1500, full=True).certificate.violations == 400
    nothing = replace(rows, rows=rows.frame[:200])
    assert 0 < prove(kept, nothing, sample=1500).certificate.violations < 200
    receipt = verify(kept, "1")
    apart = replace(receipt, certificate=sampled, comparable=False)
    assert (
        "only rows, cells and violations can be compared: they are the recorded ones"
        in reproduce_receipts.verify(apart)
    )
    assert "a sample of 1,500 of 6,000 cells" in reproduce_receipts.verify(apart)


def test_train_registers_nothing_when_the_views_that_it_reads_leak(spoiled: Platform) -> None:
    before = value(training_set(spoiled, JANUARY).frame, "skips_7d")
    with administrator(spoiled) as connection:
        leak(connection)
    after = value(training_set(spoiled, JANUARY).frame, "skips_7d")
    assert after == value(training_set(spoiled, FEBRUARY).frame, "skips_7d") != before
    with pytest.raises(
        TemporalViolation,
        match=f"{KEY} {VIEW}:skips_7d: the set has {after}, expected {before}",
    ) as refused:
        train(spoiled, JANUARY)
    assert refused.value.exit_code == 24
    assert refused.value.facts["count"] == len(refused.value.facts["violations"]) == 1  # type: ignore[arg-type]
    assert "from as_of 2024-02-29" in str(refused.value)
    assert [v.version for v in spoiled.models.versions()] == [1]
    assert spoiled.connection.execute("SELECT count(*) FROM streamflow.passport").fetchone() == (1,)
    assert verify(spoiled, "1").holds  # it reads the frozen rows, not the views
