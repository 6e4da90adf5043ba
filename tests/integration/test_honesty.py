"""Label honesty over a real database.

Each fault that is planted in a drop is found by its name, and a clean drop gives no finding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, copy_drop, load
from support.command import called
from support.gym import write_gym

from streamflow.cli import receipts
from streamflow.core.training.honesty import FILE, HonestyReport, parse_honesty
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.init import init
from streamflow.steps.data.migrate import migrate
from streamflow.steps.training.honesty import check_label_honesty
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.prune import prune
from streamflow.warehouse import late_data

FREE = iter(
    FEBRUARY - timedelta(days=n) for n in range(1, 29)
)  # each drop earlier than those before: January is the one before it


@dataclass(frozen=True)
class Held:
    """January is frozen, and February, clean."""

    platform: Platform
    drops: Path
    variables: Mapping[str, str]

    def table(self, month: int, name: str) -> pl.DataFrame:
        return pl.read_csv(self.drops / f"month_00{month}/{name}.csv", infer_schema=False)

    def leavers(self, month: int) -> list[str]:
        return (
            self.table(month, "labels").filter(pl.col("churn_label") == "True")["user_id"].to_list()
        )

    def report(self, as_of: datetime, **asked: object) -> HonestyReport:
        return check_label_honesty(self.platform, training_set(self.platform, as_of, **asked))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def held(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Held]:
    name = f"sf_honesty_{uuid4().hex[:12]}"
    cluster.clone(name)
    home = tmp_path_factory.mktemp("honesty") / "home"
    with open_platform(cluster.settings(name, home, trees=5)) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
        load(platform, simulated_drops / "month_001", FEBRUARY)
        yield Held(platform, simulated_drops, cluster.variables(name, home))
    cluster.drop(name)


def found(report: HonestyReport, *severities: str) -> list[tuple[str, str, str]]:
    return [
        (f.check, f.severity, f.subject)
        for f in report.findings
        if f.severity in (severities or ("severe", "warning"))
    ]


def test_clean_drops_are_silent(held: Held) -> None:
    january, february, next_labels = (
        held.report(JANUARY),
        held.report(FEBRUARY),
        held.report(JANUARY, label_lead=1),
    )
    assert found(january) == found(february) == found(next_labels) == []
    assert [f.check for f in january.findings] == ["label-period", "previous-drop"]
    assert [f.check for f in february.findings] == ["label-period"]
    assert (january.previous, february.previous, next_labels.label_as_of) == (
        None,
        JANUARY.date(),
        FEBRUARY.date(),
    )
    assert next_labels.findings[0].numbers == {"days": 29}


def decided_by_hours(held: Held) -> dict[str, dict[str, pl.Expr]]:
    few = pl.when(pl.col("user_id").is_in(held.leavers(1))).then(pl.lit("0.5"))
    return {"usage_agg_30d": {"watch_hours_30d": few.otherwise(pl.col("watch_hours_30d"))}}


def filled_for_leavers(held: Held) -> dict[str, dict[str, pl.Expr]]:
    told = pl.when(pl.col("user_id").is_in(held.leavers(1))).then(pl.lit("True"))
    return {"subscriptions": {"plan_stream_tv": told}}


def a_counter_back(held: Held) -> dict[str, dict[str, pl.Expr]]:
    less = (pl.col("months_active").cast(pl.Int64) - 1).clip(0).cast(pl.String)
    return {"subscriptions": {"months_active": less}}


def loyal_ones_leave(held: Held) -> dict[str, dict[str, pl.Expr]]:
    """As many labels as before; who is long here leaves, by and large."""
    months = held.table(1, "subscriptions").select(
        "user_id", pl.col("months_active").cast(pl.Int64) + pl.int_range(pl.len()) * 37 % 40
    )
    leavers = months.sort("months_active").tail(len(held.leavers(1)))["user_id"].to_list()
    return {
        "labels": {
            "churn_label": pl.when(pl.col("user_id").is_in(leavers))
            .then(pl.lit("True"))
            .otherwise(pl.lit("False"))
        }
    }


Finding = tuple[str, str, str]  # rule, severity, feature
PLANTED: list[tuple[Callable[[Held], dict[str, dict[str, pl.Expr]]], list[Finding]]] = [
    (decided_by_hours, [("single-feature", "severe", "watch_hours_30d")]),
    (filled_for_leavers, [("missingness", "severe", "plan_stream_tv")]),
    (a_counter_back, [("counter", "warning", "months_active")]),
    (
        loyal_ones_leave,
        [("dominant-feature", "warning", "months_active"), ("label-rule", "warning", "")],
    ),
]


@pytest.mark.parametrize(
    ("plant", "findings"), PLANTED, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_planted_fault_is_found_and_no_other(
    held: Held,
    tmp_path: Path,
    plant: Callable[[Held], dict[str, dict[str, pl.Expr]]],
    findings: list[Finding],
) -> None:
    day = next(FREE)
    load(
        held.platform, copy_drop(held.drops / "month_001", tmp_path / "planted", **plant(held)), day
    )
    report = held.report(day)
    assert report.previous == JANUARY.date()
    assert found(report) == findings
    assert held.report(day).content == report.content


def with_rows(held: Held, to: Path, rows: Callable[[str, pl.DataFrame], pl.DataFrame]) -> Path:
    to.mkdir()
    for path in (held.drops / "month_001").glob("*.csv"):
        rows(path.stem, held.table(1, path.stem)).write_csv(to / path.name)
    return to


def test_who_left_and_is_still_there(held: Held, tmp_path: Path) -> None:
    gone, day = held.leavers(0), next(FREE)

    def again(table: str, rows: pl.DataFrame) -> pl.DataFrame:
        back = held.table(0, table).filter(pl.col("user_id").is_in(gone))
        if table == "subscriptions":
            months, paid = (
                pl.col("months_active").cast(pl.Int64),
                pl.col("total_paid").cast(pl.Float64),
            )
            fee = pl.col("monthly_fee").cast(pl.Float64)
            back = back.with_columns(
                (months + 1).cast(pl.String), (paid + fee).round(2).cast(pl.String)
            )
        if table == "labels":
            back = back.with_columns(
                churn_label=pl.when(pl.int_range(pl.len()) % 4 == 0)
                .then(pl.lit("True"))
                .otherwise(pl.lit("False"))
            )
        return pl.concat([rows, back])

    load(held.platform, with_rows(held, tmp_path / "again", again), day)
    report = held.report(day)
    assert found(report) == [("churners-stay", "warning", "")]
    assert report.with_severity("warning")[0].numbers == {"stayed": len(gone), "of": len(gone)}


def test_a_base_rate_that_jumps(held: Held, tmp_path: Path) -> None:
    stay, day = (
        [k for k in held.table(1, "labels")["user_id"] if k not in held.leavers(1)],
        next(FREE),
    )
    fewer = set(stay[::3])
    load(
        held.platform,
        with_rows(
            held,
            tmp_path / "fewer",
            lambda _, rows: rows.filter(~pl.col("user_id").is_in(set(stay) - fewer)),
        ),
        day,
    )
    assert found(held.report(day)) == [("base-rate", "warning", "")]


def test_a_drop_without_labels_is_no_drop_to_compare_labels_with(
    held: Held, tmp_path: Path
) -> None:
    """The counters are held against it all the same: they need no label."""
    day = FEBRUARY + timedelta(days=31)
    load(
        held.platform,
        copy_drop(held.drops / "month_001", tmp_path / "unlabelled", labels=None),
        day,
    )
    later = copy_drop(
        held.drops / "month_001", tmp_path / "later", usage_agg_30d={"skips_7d": pl.lit("3")}
    )
    load(held.platform, later, day + timedelta(days=30))
    report = held.report(day + timedelta(days=30))
    assert report.previous == FEBRUARY.date()
    assert found(report, "warning")[:2] == [
        ("counter", "warning", "months_active"),
        ("counter", "warning", "total_paid"),
    ]
    assert f"since {day:%Y-%m-%d}" in report.with_severity("warning")[0].words
    assert found(report, "note")[1] == ("constant", "note", "skips_7d")


def test_a_late_revision_is_severe_where_it_follows_the_outcome(held: Held, tmp_path: Path) -> None:
    platform, leavers, before = held.platform, held.leavers(0), held.report(JANUARY)
    then = training_set(platform, JANUARY).known_at
    fee = pl.col("monthly_fee").cast(pl.Float64)
    dearer = (
        pl.when(pl.col("net_service") == "Fiber optic").then(fee + 1).otherwise(fee).cast(pl.String)
    )
    usual = {"subscriptions": {"monthly_fee": dearer}}
    load(platform, copy_drop(held.drops / "month_000", tmp_path / "usual", **usual), JANUARY)
    assert found(held.report(JANUARY)) == []
    hours = (
        pl.when(pl.col("user_id").is_in(leavers[::2]))
        .then(pl.lit("29.5"))
        .otherwise(pl.col("watch_hours_30d"))
    )
    leaky = {"usage_agg_30d": {"watch_hours_30d": hours}}
    load(
        platform, copy_drop(held.drops / "month_000", tmp_path / "leaky", **usual, **leaky), JANUARY
    )
    report = held.report(JANUARY)
    # The corrections also leave ranges in which all users are of one class.
    assert found(report) == [
        ("pure-range", "warning", "watch_hours_30d"),
        ("late-revision", "severe", "watch_hours_30d"),
    ]
    assert "usage_agg_30d of 2024-01-31, revision 2, came after the labels" in report.lines[0]
    assert held.report(JANUARY, known_at=then).content == before.content


def test_the_version_keeps_its_report_and_the_command_prints_it(held: Held) -> None:
    trained = train(held.platform, JANUARY)
    stored = parse_honesty(held.platform.models.read_run_file(trained.run_id, FILE))
    assert stored == trained.honesty == held.report(JANUARY)
    assert f"  {stored.lines[0]}\n" in receipts.train(trained)
    *lines, last = receipts.honesty(stored).splitlines()
    assert lines == [f"  {words}" for words in stored.lines]
    assert (
        last == f"[NO] label honesty as_of=2024-01-31 labels=2024-01-31 rows={stored.rows}:"
        f" {stored.counts}"
    )
    said = called(
        held.platform.home,
        "honesty",
        "--as-of",
        f"{JANUARY:%Y-%m-%d}",
        "--json",
        extra=held.variables,
    )
    assert said.returncode == 1, said.stderr
    assert json.loads(said.stdout) == stored.values


def test_a_revision_that_was_pruned_cannot_be_compared_with_and_that_is_said(held: Held) -> None:
    connection, never = held.platform.connection, datetime(2000, 1, 1, tzinfo=UTC)
    assert late_data.newest_known_revision(connection, "usage_agg_30d", JANUARY, never) is None
    assert late_data.newest_known_revision(
        connection, "usage_agg_30d", JANUARY, datetime.now(UTC)
    ) == (2, True)
    prune(held.platform)
    report = held.report(JANUARY)
    assert not report.severe
    assert [s for check, _, s in found(report, "note") if check == "late-features"] == [
        "subscriptions",
        "usage_agg_30d",
    ]


def test_another_business_with_integer_keys(
    open_with: Callable[..., Platform], tmp_path: Path
) -> None:
    """A guessed catalog with nullable numbers and texts, and no counter.

    A copied outcome is severe, and the clean month gives no finding.
    """
    months = write_gym(tmp_path / "gym")
    init([months[0]], tmp_path / "gym.toml")
    platform = open_with(migrated=False, catalog=tmp_path / "gym.toml")
    migrate(platform)
    for folder, day in zip(months, (JANUARY, FEBRUARY), strict=True):
        load(platform, folder, day)
    clean = check_label_honesty(platform, training_set(platform, FEBRUARY))
    assert (found(clean), clean.previous) == ([], JANUARY.date())
    gone = pl.read_csv(months[1] / "cancellations.csv", infer_schema=False).filter(
        pl.col("cancelled") == "True"
    )["member_id"]
    renews = {
        "auto_renew": pl.when(pl.col("member_id").is_in(gone.implode()))
        .then(pl.lit("False"))
        .otherwise(pl.lit("True"))
    }
    load(platform, copy_drop(months[1], tmp_path / "told", plans=renews), FEBRUARY)
    told = check_label_honesty(platform, training_set(platform, FEBRUARY))
    assert ("single-feature", "severe", "auto_renew") in found(told)
