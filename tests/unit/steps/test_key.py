"""What can be a key, and what nobody has."""

from __future__ import annotations

import pytest
from support.frozen import tiny_catalog

from streamflow.errors import EntityUnknown
from streamflow.steps.serving.predict import parse_key


@pytest.mark.parametrize(
    ("kind", "given", "key"), [("string", "Zoë", "Zoë"), ("int", "17", 17), ("int", -5, -5)]
)
def test_a_key_in_the_entitys_type(kind: str, given: str | int, key: str | int) -> None:
    assert parse_key(tiny_catalog(kind), given) == key


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("string", "a\0b"),
        ("string", "\ud800"),
        ("string", "x" * 65),
        ("int", "seven"),
        ("int", 2**63),
        ("int", "1\0"),
        ("int", "1_7"),
        ("int", " 17"),
        ("int", "٣"),
    ],
)
def test_what_cannot_be_a_key_is_unknown_and_named_with_what_is_missing(
    kind: str, given: str | int
) -> None:
    with pytest.raises(EntityUnknown) as unknown:
        parse_key(tiny_catalog(kind), given)
    assert unknown.value.facts["missing_features"] == ["tenure", "fee", "paperless", "net", "hours"]
