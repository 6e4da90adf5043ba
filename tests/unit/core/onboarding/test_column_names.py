"""Each header gets a name that SQL accepts, and no two headers get the same one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from streamflow.catalog import RESERVED
from streamflow.core.onboarding.column_names import MAX_NAME, SQL_WORDS, derive_names

HEADERS = st.lists(
    st.text(max_size=60)
    | st.sampled_from(["Fee", "fee", "FEE", "fee_2", "as_of", "order", "größe", "grosse", "x" * 60])
    | st.text(alphabet="aA_ 2é", max_size=4),
    unique=True,
    max_size=30,
)


@given(HEADERS)
def test_names_are_identifiers_that_never_clash(headers: list[str]) -> None:
    names = derive_names(headers)
    assert list(names) == headers
    assert len(set(names.values())) == len(headers)
    for name in names.values():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert len(name) <= MAX_NAME
        assert name not in RESERVED | SQL_WORDS


@given(HEADERS)
def test_a_header_that_is_a_name_keeps_it(headers: list[str]) -> None:
    for header, name in derive_names(headers).items():
        if re.fullmatch(r"[a-z]([a-z0-9]|_(?!_|$))*", header) and len(header) <= MAX_NAME:
            assert name == header or header in RESERVED | SQL_WORDS
