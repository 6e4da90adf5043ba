"""The split: by the key alone."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streamflow.core.training.split import is_holdout

KEYS = st.lists(st.text(min_size=1), min_size=1, unique=True)


@given(KEYS, st.text(), st.randoms())
def test_a_key_stays_on_its_side_in_any_order_and_any_company(
    keys: list[str], salt: str, random: object
) -> None:
    side = dict(zip(keys, is_holdout(keys, salt=salt, share=0.25), strict=True))
    others = [*keys, "somebody else"]
    random.shuffle(others)  # type: ignore[attr-defined]
    for key, held in zip(others, is_holdout(others, salt=salt, share=0.25), strict=True):
        assert side.get(key, held) == held


@given(KEYS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_greater_share_only_adds_keys(keys: list[str], a: float, b: float) -> None:
    few, many = (is_holdout(keys, salt="s", share=share) for share in sorted((a, b)))
    assert not (few & ~many).any()


def test_the_share_is_met_and_the_salt_matters() -> None:
    keys = pl.Series([f"{i:04d}-KEY" for i in range(20_000)])
    first, second = (
        is_holdout(keys, salt="one", share=0.25),
        is_holdout(keys, salt="two", share=0.25),
    )
    assert abs(first.mean() - 0.25) < 0.015  # five standard deviations
    assert abs((first & second).mean() - 0.0625) < 0.01  # independent


def test_salt_and_key_do_not_run_together() -> None:
    keys = [f"a{i}" for i in range(200)]
    joined = is_holdout([f"s{key}" for key in keys], salt="", share=0.5)
    assert not np.array_equal(is_holdout(keys, salt="s", share=0.5), joined)


def test_no_keys() -> None:
    assert is_holdout([], salt="s", share=0.25).shape == (0,)
