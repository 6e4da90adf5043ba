"""skew: each cause is planted for real, and exactly that one is named; a clean log has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, copy_drop, load
from support.command import called
from support.states import JANUARY_SERVED, in_state

from streamflow.core.monitoring.skew import CAUSES
from streamflow.database import connect
from streamflow.platform import Platform
from streamflow.steps.data.materialize import materialize
from streamflow.steps.monitoring.skew import (
    NO_SOURCES,
    PRUNED_REVISION,
    UNDEFINED_SERVICE,
    UNREGISTERED_VERSION,
    SkewReceipt,
    skew,
)
from streamflow.steps.serving.predict import Prediction, predict_rows
from streamflow.steps.serving.serving_version import Serving, load_serving
from streamflow.steps.upkeep.prune import prune
from streamflow.warehouse.prediction_log import log_predictions

KEYS = 12
FEE = "monthly_fee"


@pytest.fixture(scope="module")
def lived(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January is live and version 1 serves. The tests go on from there in their order."""
    home = tmp_path_factory.mktemp("skew") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        yield platform


@pytest.fixture(scope="module")
def serving(lived: Platform) -> Serving:
    return load_serving(lived)


@pytest.fixture
def since(lived: Platform) -> datetime:
    """What was logged before is not looked at."""
    row = lived.connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def keys(platform: Platform) -> list[str]:
    """Whose monthly fee is no float32."""
    rows = platform.connection.execute(
        f"SELECT user_id FROM online.subs_profile_fv"
        f" WHERE {FEE} <> {FEE}::real ORDER BY 1 LIMIT %s",
        [KEYS],
    ).fetchall()
    assert len(rows) == KEYS
    return [key for (key,) in rows]


def answered(platform: Platform, serving: Serving, asked: list[str]) -> list[Prediction]:
    """As the API does it, logged."""
    found = predict_rows(
        serving, asked, serving.reader.read_many(platform.connection, asked), now=datetime.now(UTC)
    )
    answers = [one for one in found if isinstance(one, Prediction)]
    assert len(answers) == len(asked)
    log_predictions(platform.connection, [one.log_row(f"request of {one.key}") for one in answers])
    return answers


def causes(receipt: SkewReceipt) -> dict[str, int]:
    return {cause: count for cause, count in receipt.causes.items() if count}


def test_a_clean_log_has_no_skew(lived: Platform, serving: Serving) -> None:
    answered(lived, serving, keys(lived))
    receipt = skew(lived)
    assert (receipt.sampled, receipt.compared, receipt.probabilities) == (
        KEYS,
        KEYS * len(serving.policy.names),
        KEYS,
    )
    assert receipt.holds
    assert (
        causes(receipt),
        receipt.not_comparable,
        receipt.first_skewed,
        receipt.first_differing,
    ) == (
        {},
        {},
        (),
        (),
    )
    stored = lived.connection.execute(
        f"SELECT sampled, not_comparable, compared, {', '.join(CAUSES)},"
        f" probabilities, probabilities_differ"
        " FROM streamflow.skew_report"
    ).fetchall()
    assert stored == [(KEYS, 0, KEYS * len(serving.policy.names), 0, 0, 0, 0, 0, KEYS, 0)]


def test_a_seed_takes_the_same_answers_and_another_one_others(lived: Platform) -> None:
    from streamflow.warehouse.skew import sample_predictions

    def taken(seed: int) -> list[str]:
        return [
            one.key
            for one in sample_predictions(
                lived.connection, model="streamflow_churn", rows=4, since=None, seed=seed
            )
        ]

    assert taken(1) == taken(1)
    assert len({tuple(sorted(taken(seed))) for seed in range(5)}) > 1
    assert skew(lived, sample=4).sampled == 4


def test_a_value_that_went_through_float32_is_of_another_type(
    lived: Platform, serving: Serving, since: datetime
) -> None:
    key = keys(lived)[0]
    change = (
        f"UPDATE online.subs_profile_fv SET {FEE} = %s WHERE user_id = %s RETURNING {FEE}::real"
    )
    [before] = answered(lived, serving, [key])
    fee = before.features[FEE]
    lived.connection.execute(
        f"UPDATE online.subs_profile_fv SET {FEE} = {FEE}::real WHERE user_id = %s", [key]
    )
    try:
        answered(lived, serving, [key])
    finally:
        lived.connection.execute(change, [fee, key])
    receipt = skew(lived, since=since)
    assert causes(receipt) == {"type": 1}
    [one] = receipt.first_skewed
    assert (one.key, one.feature, one.expected) == (key, FEE, fee)
    assert one.served != fee
    assert one.served == pytest.approx(fee, rel=1e-7)
    assert (receipt.differ, receipt.sampled) == (0, 2)


def test_a_value_that_nothing_gives_is_unexplained(
    lived: Platform, serving: Serving, since: datetime
) -> None:
    key = keys(lived)[1]
    change = f"UPDATE online.subs_profile_fv SET {FEE} = {FEE} + %s WHERE user_id = %s"
    lived.connection.execute(change, [1, key])
    answered(lived, serving, [key])
    lived.connection.execute(change, [-1, key])
    receipt = skew(lived, since=since)
    assert causes(receipt) == {"unexplained": 1}
    assert [(one.key, one.feature) for one in receipt.first_skewed] == [(key, FEE)]


def test_another_code_is_named_for_what_it_made(
    lived: Platform, serving: Serving, since: datetime
) -> None:
    """A process of a different release encodes one feature differently, and one probability.

    What it computed in the same way is no skew.
    """
    first, second, _ = answered(lived, serving, keys(lived)[:3])
    lines = [
        replace(one.log_row(f"other code {n}"), code="0" * 16)
        for n, one in enumerate((first, second, second))
    ]
    skips = first.features["skips_7d"]
    lines[0] = replace(lines[0], features={**first.features, "skips_7d": skips + 1000})
    lines[1] = replace(
        lines[1],
        probability=second.probability + 1e-16
        if second.probability < 0.1
        else second.probability - 1e-15,
    )
    log_predictions(lived.connection, lines)
    receipt = skew(lived, since=since)
    assert causes(receipt) == {"code": 1}
    assert [(one.request_id, one.served, one.expected) for one in receipt.first_skewed] == [
        ("other code 0", skips + 1000, skips)
    ]
    wrong = {
        one.request_id: (one.cause, one.feature, one.expected) for one in receipt.first_differing
    }
    assert wrong.pop("other code 1") == ("code", "probability", second.probability)
    assert set(wrong) <= {"other code 0"}  # a forest may answer the same for other skips


def test_a_correction_after_the_answer_is_late_and_before_it_stale(
    lived: Platform, serving: Serving, simulated_drops: Path, tmp_path: Path, since: datetime
) -> None:
    asked = keys(lived)
    [before] = answered(lived, serving, asked[:1])
    fees = {
        FEE: pl.when(pl.col("user_id").is_in(asked[:2]))
        .then(pl.lit("99.95"))
        .otherwise(pl.col(FEE))
    }
    load(
        lived,
        copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees),
        JANUARY,
    )
    late = skew(lived, since=since)
    assert causes(late) == {"late": 1}
    assert [(one.key, one.feature, one.served, one.expected) for one in late.first_skewed] == [
        (asked[0], FEE, before.features[FEE], 99.95)
    ]
    answered(lived, serving, asked[1:3])  # the correction is known by now, and not live
    both = skew(lived, since=since)
    assert causes(both) == {"late": 1, "stale": 1}
    assert {(one.cause, one.key, one.expected) for one in both.first_skewed} == {
        ("late", asked[0], 99.95),
        ("stale", asked[1], 99.95),
    }


def test_an_older_drop_than_was_known_is_stale(
    lived: Platform, serving: Serving, simulated_drops: Path
) -> None:
    """Users who are not in the newer drop keep the values of the older one, as in training."""
    materialize(lived)
    begun, asked = now(lived), keys(lived)
    assert answered(lived, serving, asked)[0].features[FEE] == 99.95
    assert skew(lived, since=begun).holds
    load(lived, simulated_drops / "month_001", FEBRUARY)
    assert skew(lived, since=begun).holds  # what was known when they were given is what counts
    begun = now(lived)
    answers = answered(lived, serving, asked)
    receipt = skew(lived, since=begun)
    materialize(lived)
    begun = now(lived)
    live = {
        one.key: one
        for one in answered(lived, serving, [key for key in asked if there(lived, key)])
    }
    assert KEYS > len(live) > 3
    assert skew(lived, since=begun).holds
    moved = {
        (one.key, name, value, live[one.key].features[name])
        for one in answers
        if one.key in live
        for name, value in one.features.items()
        if value != live[one.key].features[name]
    }
    assert {
        (one.key, one.feature, one.served, one.expected) for one in receipt.first_skewed
    } == moved
    assert causes(receipt) == {"stale": len(moved)}
    assert len(moved) > KEYS


def there(platform: Platform, key: object) -> bool:
    return (
        platform.connection.execute(
            "SELECT FROM online.subs_profile_fv WHERE user_id = %s", [key]
        ).fetchone()
        is not None
    )


def now(platform: Platform) -> datetime:
    row = platform.connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def test_a_stated_default_is_skew_only_where_a_newer_row_was_known(
    lived: Platform, serving: Serving, since: datetime
) -> None:
    [one] = answered(lived, serving, keys(lived)[:1])
    view = next(f.view for f in serving.reader.features if f.name == FEE)
    given = replace(one.log_row("too old"), features={**one.features, FEE: 0.5}, defaulted=[FEE])
    older = replace(given, request_id="absent", views={**one.views, view: None})
    log_predictions(lived.connection, [given, older])
    receipt = skew(lived, since=since)
    assert [
        (found.cause, found.request_id, found.feature)
        for found in receipt.first_skewed
        if found.feature == FEE
    ] == [("stale", "absent", FEE)]


def test_what_cannot_be_compared_is_said(
    lived: Platform, serving: Serving, simulated_drops: Path, tmp_path: Path, since: datetime
) -> None:
    """Answers of a pruned revision, an unknown service, a deleted version, an older streamflow."""
    changed = {FEE: pl.lit("11.1")}
    load(
        lived,
        copy_drop(simulated_drops / "month_001", tmp_path / "first", subscriptions=changed),
        FEBRUARY,
    )
    materialize(lived)
    [pruned] = answered(lived, serving, keys_of_all(lived)[:1])
    load(lived, simulated_drops / "month_001", FEBRUARY)
    prune(lived)
    materialize(lived)
    [good] = answered(lived, serving, keys_of_all(lived)[1:2])
    line = good.log_row("other")
    log_predictions(
        lived.connection, [replace(line, service="nobody's"), replace(line, version=99)]
    )
    lived.connection.execute(
        "INSERT INTO streamflow.prediction_log (request_id, key, as_of, model,"
        " version, run_id, probability, prediction, threshold,"
        " features) SELECT 'older', key, as_of, model, version, run_id,"
        " probability, prediction, threshold, features"
        " FROM streamflow.prediction_log WHERE request_id = 'other' LIMIT 1"
    )
    receipt = skew(lived, since=since)
    assert pruned.features[FEE] == 11.1
    assert receipt.not_comparable == {
        PRUNED_REVISION: 1,
        UNDEFINED_SERVICE: 1,
        UNREGISTERED_VERSION: 1,
        NO_SOURCES: 1,
    }
    assert (receipt.sampled, receipt.compared, receipt.probabilities) == (
        5,
        2 * len(serving.policy.names),
        2,
    )
    assert receipt.holds


def keys_of_all(platform: Platform) -> list[str]:
    rows = platform.connection.execute(
        "SELECT user_id FROM online.subs_profile_fv ORDER BY 1 LIMIT 3"
    ).fetchall()
    return [key for (key,) in rows]


def test_the_command_says_it_and_ends_with_one(
    cluster: Cluster, lived: Platform, serving: Serving, since: datetime
) -> None:
    extra = cluster.variables(lived.login.database, lived.home)
    answered(lived, serving, keys_of_all(lived))
    values = 3 * len(serving.policy.names)
    clean = called(lived.home, "skew", "--since", since.isoformat(), extra=extra)
    assert (clean.returncode, clean.stdout.splitlines()[-1]) == (
        0,
        f"[OK] {values} of {values} values are equal bit for bit; 3 of 3 probabilities are equal",
    )
    found = called(lived.home, "skew", "--sample", "1000", extra=extra)
    assert found.returncode == 1
    assert "stale " in found.stdout
    assert "more (--json lists them)" in found.stdout
    assert found.stdout.splitlines()[-1].startswith("[NO] ")
    told = json.loads(called(lived.home, "skew", "--json", extra=extra).stdout)
    assert set(told["causes"]) == set(CAUSES)
    with connect(lived.login, autocommit=True) as connection:
        connection.execute("SET ROLE streamflow_reader")
        assert connection.execute(
            "SELECT count(*) FROM streamflow.skew_report WHERE stale > 0"
        ).fetchone() != (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO streamflow.skew_report DEFAULT VALUES")
