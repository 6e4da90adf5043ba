"""The cost of a default, against numbers that can be computed by hand.

Each feature is blanked alone, and a view as a whole.
"""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.catalog import Column, Feature
from streamflow.core.statistics.metrics import Floats
from streamflow.core.training.default_costs import (
    costs_from_metrics,
    group_defaults,
    measure_default_costs,
    to_bytes,
)


def feature(name: str, view: str, default: float | None) -> Feature:
    return Feature(
        name=name, view=view, table="t", column=Column(type="float", view=view, default=default)
    )


def mean_of_all(frame: pl.DataFrame) -> Floats:
    return np.array(frame.mean_horizontal().to_numpy(), dtype=float)


HELD = pl.DataFrame({"a": [0.0, 0.2, 0.8, 1.0], "b": [0.1, 0.3, 0.5, 0.9]})
LABEL = np.array([0, 0, 1, 1])


def test_no_default_no_cost_and_nothing_is_asked_of_the_model() -> None:
    def nobody(_: pl.DataFrame) -> Floats:
        raise AssertionError

    assert (
        measure_default_costs(
            [feature("a", "v", None), feature("b", "v", None)], HELD, LABEL, nobody, threshold=0.5
        )
        == ()
    )


def test_the_numbers_are_those_of_the_blanked_hold_out() -> None:
    features = [feature("a", "v", 0.5), feature("b", "v", 0.5)]
    a, b, both = measure_default_costs(features, HELD, LABEL, mean_of_all, threshold=0.5)
    assert (a.of, b.of, both.of) == ("a", "b", "all of v")
    assert (a.auc, a.auc_change, a.flips) == (1.0, 0.0, 0.0)
    assert a.brier == pytest.approx(np.mean((np.array([0.3, 0.4, 0.5, 0.7]) - LABEL) ** 2))
    assert (both.auc, both.auc_change) == (0.5, -0.5)
    assert (both.average_precision, both.average_precision_change) == (0.5, -0.5)
    assert both.brier == 0.25
    assert both.brier_change == pytest.approx(0.25 - np.mean((mean_of_all(HELD) - LABEL) ** 2))
    assert both.flips == 0.5
    assert str(both) == (
        "If the default replaced all of v for every user, AUC would be 0.5000 (-0.5000),"
        " and 50.00% of the decisions would be different."
    )
    stored = json.loads(to_bytes([both]))[0]
    assert (stored["of"], stored["features"]) == ("all of v", {"a": 0.5, "b": 0.5})
    assert costs_from_metrics({"auc": 1.0, **both.metrics})["all of v"] == {
        n: v for n, v in stored.items() if n not in {"of", "features"}
    }


def test_a_view_is_replaced_whole_only_where_each_of_its_several_features_has_a_default() -> None:
    features = [
        feature("a", "v", 0),
        feature("b", "v", 1),
        feature("c", "w", 2),
        feature("d", "x", 3),
        feature("e", "x", None),
    ]
    found = group_defaults(features)
    assert list(found) == ["a", "b", "c", "d", "all of v"]
    assert found["all of v"] == {"a": 0.0, "b": 1.0}


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=30), st.floats(0, 1)
)
def test_a_default_that_everybody_has_costs_nothing(
    rows: list[tuple[float, bool]], default: float
) -> None:
    label = np.array([True, False, *(positive for _, positive in rows)])
    frame = pl.DataFrame(
        {"a": [default] * len(label), "b": [0.2, 0.4, *(value for value, _ in rows)]}
    )
    [cost] = measure_default_costs(
        [feature("a", "v", default), feature("b", "w", None)],
        frame,
        label,
        mean_of_all,
        threshold=0.5,
    )
    assert (cost.auc_change, cost.average_precision_change, cost.brier_change, cost.flips) == (
        0,
        0,
        0,
        0,
    )
