"""Simulated features and labels, clean or with a planted leak."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.training.honesty import HonestyFinding
from streamflow.core.training.leak_warnings import find_leak_warnings

Labels = NDArray[np.bool_]
Random = np.random.Generator
Make = Callable[[Random, Labels], dict[str, NDArray[np.generic]]]


def clean(seed: int) -> tuple[pl.DataFrame, Labels]:
    """Honest features of every form: the outcome is drawn from odds that add them up.

    600 to 8,000 rows, 6 to 16 features, 2 to 40 % positives. The true odds rank with an AUC of
    about 0.6 to 0.9.
    """
    random = np.random.default_rng(seed)
    rows = int(random.integers(600, 8_000))
    columns = {}
    odds = np.zeros(rows)
    for number in range(int(random.integers(6, 17))):
        values, effect = _draw_column(random, rows)
        columns[f"f{number}"] = values
        odds += random.choice([0, 0.3, 1.0]) * random.normal() * effect
    odds *= random.uniform(0.4, 2.2) / max(odds.std(), 1e-9)
    tendency = odds + random.logistic(size=rows)
    return pl.DataFrame(columns), tendency > np.quantile(tendency, 1 - random.uniform(0.02, 0.4))


def _draw_column(random: Random, rows: int) -> tuple[pl.Series, NDArray[np.float64]]:
    """A column, and what it does to the odds before its weight."""
    form = random.choice(["normal", "mass", "months", "count", "flag", "category", "null"])
    if form in ("flag", "category"):
        codes = random.integers(0, 2 if form == "flag" else random.integers(3, 9), rows)
        texts = pl.Series(codes == 1) if form == "flag" else pl.Series([f"c{n}" for n in codes])
        return texts, random.normal(size=9)[codes]
    number = {
        "months": lambda: random.integers(0, 72, rows).astype(float),
        "count": lambda: random.poisson(random.gamma(2, 2, rows)).astype(float),
    }.get(form, lambda: random.lognormal(3, 0.8, rows).round(2))()
    if form == "mass":
        number = np.where(random.random(rows) < 0.3, 0.0, number)
    effect = (number - number.mean()) / number.std()
    values = pl.Series(number)
    if form == "null":
        values = pl.select(pl.when(pl.Series(random.random(rows) < 0.8)).then(values)).to_series()
    return values, effect


def _score(random: Random, label: Labels) -> dict[str, NDArray[np.generic]]:
    """Nearly as IBM's: who leaves has 60 to 100, who stays 5 to 80."""
    leaver = random.integers(60, 101, len(label))
    return {"risk": np.where(label, leaver, random.integers(5, 81, len(label)))}


def _months(random: Random, label: Labels) -> dict[str, NDArray[np.generic]]:
    """The month of the last bill is the newest one, but for those who had left by then."""
    months = random.integers(4, 72, len(label))
    return {"months": months, "last_bill": months - np.where(label, random.integers(1, 4), 0)}


def _flags(random: Random, label: Labels) -> dict[str, NDArray[np.generic]]:
    """Two flags that differ for those who leave, but for one row in a hundred."""
    now = random.random(len(label)) < 0.5
    wrong = random.random(len(label)) < 0.01
    return {"card_before": now ^ label ^ wrong, "card_now": now}


def _three(random: Random, label: Labels) -> dict[str, NDArray[np.generic]]:
    """Three flags of which an odd number is set for those who leave."""
    first, second = random.random((2, len(label))) < 0.5
    return {"a": first, "b": second, "c": first ^ second ^ label}


# What is planted -> the checks and the subject that must be named.
LEAKS: Mapping[
    str, tuple[Callable[[Random, Labels], dict[str, NDArray[np.generic]]], set[str], str]
]
LEAKS = {
    "a score of the outcome": (_score, {"dominant-feature", "pure-range"}, "risk"),
    "the last bill": (_months, {"deciding-set"}, "months, last_bill"),
    "a card that is gone": (_flags, {"deciding-set"}, "card_before, card_now"),
    "three flags": (_three, {"deciding-set"}, "a, b, c"),
}


def plant(leak: str, seed: int) -> tuple[pl.DataFrame, Labels]:
    """A clean set with a leak in it."""
    frame, label = clean(seed)
    make, _, _ = LEAKS[leak]
    return frame.with_columns(**make(np.random.default_rng(seed), label)), label


def warnings(frame: pl.DataFrame, label: Labels) -> list[HonestyFinding]:
    """Every warning of a leak."""
    return list(find_leak_warnings(frame, label))
