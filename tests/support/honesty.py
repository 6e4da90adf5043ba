"""Two simulated months as the arrays that the checks of honesty read: clean, or with one fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import load_catalog
from streamflow.core.training import panel_honesty as panel
from streamflow.core.training.column_honesty import find_constant_columns, find_deciding_columns
from streamflow.core.training.honesty import HonestyFinding
from streamflow.settings import Settings
from streamflow.simulation.drops import simulate_months
from streamflow.steps.training.previous_drops import compare_label_rule

CATALOG, SETTINGS = load_catalog(None), Settings()
FEATURES, KEY, LABEL = [f.name for f in CATALOG.features], CATALOG.entity.key, CATALOG.label.column
COUNTERS = ("months_active", "total_paid")
JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Pair:
    """Two months, all tables side by side.

    Also which rows of the second month a late revision changed, by feature.
    """

    before: pl.DataFrame
    now: pl.DataFrame
    late: Mapping[str, Rows]
    random: np.random.Generator

    @property
    def label(self) -> Rows:
        return self.now[LABEL].to_numpy()

    def some(self, of: Rows, share: float) -> Rows:
        """About a share of these rows."""
        return of & (self.random.random(len(of)) < share)

    def changed(self, **columns: pl.Expr | NDArray[np.generic]) -> Pair:
        """With columns of the second month replaced."""
        plain = {
            name: pl.Series(c) if isinstance(c, np.ndarray) else c for name, c in columns.items()
        }
        return replace(self, now=self.now.with_columns(**plain))


def pair(seed: int, users: int = 1500) -> Pair:
    """Clean months: late revisions changed rows by chance, and those of one net service."""
    frames = [
        reduce(lambda a, b: a.join(b, on=KEY), month.tables.values()).sort(KEY)
        for month in simulate_months(users, 2, seed, JANUARY)
    ]
    made = Pair(frames[0], frames[1], {}, np.random.default_rng(seed))
    everyone = np.ones(len(frames[1]), dtype=bool)
    fiber = (frames[1]["net_service"] == "Fiber optic").to_numpy()
    return replace(made, late={"watch_hours_30d": made.some(everyone, 0.03), "monthly_fee": fiber})


def findings(made: Pair) -> list[HonestyFinding]:
    """Every check of arrays, in the order of steps/training/honesty.py."""
    before, now, label = made.before, made.now, made.label
    both = before.join(now, on=KEY, suffix=" now")
    positive = before.filter(LABEL)
    still = len(positive.join(now, on=KEY, how="semi"))
    steps = {
        c: (both[c].cast(pl.Float64).to_numpy(), both[f"{c} now"].cast(pl.Float64).to_numpy())
        for c in COUNTERS
    }
    return [
        *find_deciding_columns(now.select(FEATURES), label),
        *find_constant_columns(now.select(FEATURES)),
        *(
            f
            for name, rows in made.late.items()
            for f in panel.check_late_revision(name, "the revision", rows, label)
        ),
        *(
            f
            for name, step in steps.items()
            for f in panel.check_counter(name, *step, since=JANUARY)
        ),
        *panel.check_leavers_left(
            still, len(positive), earlier_drop=JANUARY, current_drop=FEBRUARY
        ),
        *panel.check_base_rate(before[LABEL].to_numpy(), label, since=JANUARY),
        *compare_label_rule(before, now, CATALOG, SETTINGS, since=JANUARY),
    ]


def alarms(found: list[HonestyFinding]) -> list[HonestyFinding]:
    """What is not only a note."""
    return [f for f in found if f.severity != "note"]


HOURS = "ticket_avg_resolution_hrs_90d"


def _number(p: Pair) -> Pair:
    """Hours that are few for those who leave."""
    return p.changed(watch_hours_30d=np.where(p.label, 0.5, 40.0) + p.random.random(len(p.label)))


def _filled(p: Pair, share: float) -> Pair:
    """A value for a share of those who leave, and for nobody else."""
    return p.changed(**{HOURS: pl.when(pl.Series(p.some(p.label, share))).then(HOURS)})


def _revised(p: Pair, rows: Rows) -> Pair:
    """A revision that came after the labels."""
    return replace(p, late={"watch_hours_30d": rows})


def _another_rule(p: Pair) -> Pair:
    """As many labels as before, given by what no column told the month before."""
    score = p.now["skips_7d"].to_numpy() + 6 * p.random.random(len(p.label))
    return p.changed(churn_label=score > np.quantile(score, 0.76))


def _status(p: Pair) -> Pair:
    """A code that is 2 for those who leave, and 0..4 for the others."""
    others = p.random.choice([0, 1, 3, 4], len(p.label))
    return p.changed(unique_devices_30d=np.where(p.label, 2, others))


def _stay(p: Pair) -> Pair:
    """The leavers are present again, a month older.

    They have as many labels as the remaining users.
    """
    again = p.before.filter(LABEL).with_columns(
        pl.col("months_active") + 1, pl.col("total_paid") + pl.col("monthly_fee")
    )
    again = again.with_columns(pl.Series(LABEL, p.random.random(len(again)) < 0.3))
    return replace(p, now=pl.concat([p.now, again]), late={})


def _still(p: Pair, share: float, step: int) -> Pair:
    """A share of the users are as many months active as before, or fewer."""
    rows = p.some(p.now["months_active"].to_numpy() > 1, share)
    return p.changed(months_active=p.now["months_active"].to_numpy() + np.where(rows, step, 0))


def _fewer(p: Pair) -> Pair:
    """Three of five who stay are left out: the base rate nearly doubles."""
    return replace(p, now=p.now.filter(pl.Series(~p.some(~p.label, 0.6))), late={})


FAULTS: Mapping[
    str, tuple[str, Callable[[Pair], Pair]]
] = {  # what is planted -> the check that has to find it, and how
    "a number that tells": ("single-feature", _number),
    "a code, 2 for those who leave": ("single-feature", _status),
    "a category for those who leave": (
        "single-feature",
        lambda p: p.changed(net_service=pl.when(LABEL).then(pl.lit("No")).otherwise(pl.lit("DSL"))),
    ),
    "filled for those who leave": ("missingness", lambda p: _filled(p, 1)),
    "filled for a third of them": ("missingness", lambda p: _filled(p, 1 / 3)),
    "revised for a fifth of them": ("late-revision", lambda p: _revised(p, p.some(p.label, 0.2))),
    "revised for all who stay": ("late-revision", lambda p: _revised(p, ~p.label)),
    "those who left are there": ("churners-stay", _stay),
    "a counter stands still for 12 %": ("counter", lambda p: _still(p, 0.12, -1)),
    "a counter falls for 5 %": ("counter", lambda p: _still(p, 0.05, -2)),
    "a base rate that jumps": ("base-rate", _fewer),
    "labels of somebody else": (
        "label-rule",
        lambda p: p.changed(churn_label=p.random.permutation(p.label)),
    ),
    "labels by another column": ("label-rule", _another_rule),
}
