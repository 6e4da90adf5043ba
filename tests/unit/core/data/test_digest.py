"""The digest of a table is the digest of its content, and of nothing else."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.core.data.digest import Digester, assign_buckets, compute_row_digests, digest_frame

TYPES = {
    "key": "string",
    "whole": "int",
    "real": "float",
    "flag": "bool",
    "word": "string",
    "day": "date",
}
SCHEMA = {
    "key": pl.String,
    "whole": pl.Int64,
    "real": pl.Float64,
    "flag": pl.Boolean,
    "word": pl.String,
    "day": pl.Date,
}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "key": texts.filter(bool),
            "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
            "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "flag": st.none() | st.booleans(),
            "word": st.none() | texts,
            "day": st.none() | st.dates(),
        }
    ),
    unique_by=lambda row: row["key"],
    max_size=40,
)


def frame(content: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(content, schema=SCHEMA)


@given(rows, st.randoms(use_true_random=False), st.integers(1, 10))
def test_arrival_and_chunks_do_not_matter(
    content: list[dict[str, object]], chance: random.Random, size: int
) -> None:
    whole = digest_frame(frame(content), key="key", types=TYPES)
    shuffled = content[:]
    chance.shuffle(shuffled)
    assert digest_frame(frame(shuffled), key="key", types=TYPES) == whole

    ordered = (
        frame(content)
        .with_columns(pl.Series("b", assign_buckets(frame(content)["key"])))
        .sort("b", "key")
        .drop("b")
    )
    digester = Digester("key", TYPES)
    for start in range(0, len(ordered), size):
        digester.update(ordered[start : start + size])
    assert digester.finish() == whole


@given(rows.filter(bool), st.data())
def test_one_changed_cell_changes_its_column_and_its_row_only(
    content: list[dict[str, object]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    column = data.draw(st.sampled_from(["whole", "real", "flag", "word", "day"]))
    other = {"whole": 7, "real": 7.5, "flag": True, "word": "x", "day": None}[column]
    changed = [dict(row) for row in content]
    changed[at][column] = (
        other
        if content[at][column] != other
        else (None if other is not None else content[0]["day"])
    )
    if changed[at][column] == content[at][column]:
        return
    before, after = (digest_frame(frame(c), key="key", types=TYPES) for c in (content, changed))
    assert after.value != before.value
    assert after.changed_columns(before) == [column]
    pairs = zip(
        compute_row_digests(frame(content), types=TYPES),
        compute_row_digests(frame(changed), types=TYPES),
        strict=True,
    )
    assert [i for i, (a, b) in enumerate(pairs) if a != b] == [at]


def test_a_null_an_empty_text_and_a_zero_are_three_things() -> None:
    schema = {"key": pl.String, "word": pl.String, "whole": pl.Int64}
    types = {"key": "string", "word": "string", "whole": "int"}
    cells = [(None, 0), ("", 0), (None, None), ("", None)]
    frames = [
        pl.DataFrame([{"key": "a", "word": word, "whole": whole}], schema=schema)
        for word, whole in cells
    ]
    values = [digest_frame(content, key="key", types=types).value for content in frames]
    assert len(set(values)) == 4


def test_both_zeros_are_one_value() -> None:
    types = {"key": "string", "real": "float"}
    plus, minus = (
        digest_frame(pl.DataFrame({"key": ["a"], "real": [zero]}), key="key", types=types)
        for zero in (0.0, -0.0)
    )
    assert plus == minus


def test_rows_out_of_order_are_refused() -> None:
    digester = Digester("key", {"key": "string"})
    ordered = frame([{"key": k} for k in "abcdef"])["key"].to_frame()
    ordered = (
        ordered.with_columns(pl.Series("b", assign_buckets(ordered["key"])))
        .sort("b", "key")
        .drop("b")
    )
    with pytest.raises(ValueError, match="order"):
        digester.update(ordered.reverse())
    digester.update(ordered)
    with pytest.raises(ValueError, match="order"):
        digester.update(ordered)


def test_the_form_is_pinned() -> None:
    """A stored digest must be found again by every later release: this value may never change."""
    content = pl.DataFrame(
        {"key": ["7590-VHVEG", "ä"], "real": [29.85, None], "flag": [True, False]}
    )
    types = {"key": "string", "real": "float", "flag": "bool"}
    assert (
        digest_frame(content, key="key", types=types).value
        == "d700057c33679e570d5bd306efcedcaf941411520b1b730aba5e329f27f9d684"
    )
