"""A format is declared in the catalog, recorded with a version, and bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamflow.catalog import DEFAULT_PATH, FileFormat, load_catalog, parse_catalog
from streamflow.core.data.catalog_definitions import (
    catalog_from_values,
    catalog_to_values,
    list_model_facts,
    values_to_toml,
)
from streamflow.errors import CatalogInvalid

TEXT = DEFAULT_PATH.read_text(encoding="utf-8")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"
GERMAN = """
[files.users]
separator = ";"
encoding = "windows-1252"
key_header = "Kunden-Nr."
ignore = ["", "Unnamed: 0"]
signs = ["€", "%"]
nulls = ["k.A.", " "]
true = ["Ja"]
trim = true
skip_lines = 2
"""


def test_a_format_is_recorded_with_a_version_and_asks_nothing_of_a_database() -> None:
    ours = load_catalog(None)
    declared = 'signup_date = { type = "date", header = "Seit \\"wann\\"" }'
    with_header = TEXT.replace('signup_date       = { type = "date", tenure = "since" }', declared)
    german = parse_catalog(with_header + GERMAN, origin="catalog.toml")
    assert german.headers("users")["signup_date"] == 'Seit "wann"'
    assert (german.service, german.digest) == (ours.service, ours.digest)
    recorded = catalog_to_values(german)
    for again in (
        catalog_from_values(recorded),
        parse_catalog(values_to_toml(recorded), origin="again"),
    ):
        assert again.files == german.files
        assert again.reading("users") == german.reading("users")
    assert list_model_facts(recorded) == list_model_facts(catalog_to_values(ours))


def test_a_catalog_without_formats_is_recorded_as_before() -> None:
    """An older streamflow refuses values that it does not know."""
    recorded = str(catalog_to_values(load_catalog(None)))
    assert "files" not in recorded
    assert "header" not in recorded


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("[files.user]\ntrim = true", "files.user: no table 'user'"),
        ('[files.users]\nsheet = "a"', "files.users.sheet: it has no meaning for a file of CSV"),
        ('[files.users]\nseparator = "::"', "files.users.separator: Input should be"),
        ('[files.users]\nencoding = "rot13"', "files.users.encoding: Input should be"),
        ('[files.users]\ndecimal = ","\nthousands = ","', "are the same sign ','"),
        ('[files.users]\nsigns = ["1"]', "files.users.signs.0: String should match"),
        ('[files.users]\nnulls = ["x"]\nfalse = ["x"]', "the word 'x' is in nulls and in false"),
        ('[files.users]\ntrue = ["False"]', "the word 'False' is in false and in true"),
        ('[files.users]\nkey_header = "user_gender"', "two columns have the header 'user_gender'"),
        ('[files.users]\nignore = ["user_id"]', "a column of the table has the header 'user_id'"),
        (f"[files.users]\nnulls = {['w'] * 101}".replace("'", '"'), "at most 100 items"),
        (f'[files.users]\nnulls = ["{"w" * 65}"]', "at most 64 characters"),
        (f'[files.users]\nkey_header = "{"h" * 257}"', "at most 256 characters"),
        ("[files.users]\nskip_lines = 1001", "less than or equal to 1000"),
        ("[files.users]\nquote = 1", "files.users.quote: Extra inputs are not permitted"),
    ],
)
def test_a_format_that_cannot_be_is_refused(declared: str, expected: str) -> None:
    with pytest.raises(CatalogInvalid) as error:
        parse_catalog(f"{TEXT}\n{declared}\n", origin="catalog.toml")
    assert expected in str(error.value)


def test_no_format_of_text_belongs_to_a_typed_file() -> None:
    text = f'{TEXT}\n[tables.users]\nfile = "users.parquet"\n[files.users]\nseparator = ";"\n'
    with pytest.raises(CatalogInvalid, match="no meaning for a file of Parquet"):
        parse_catalog(text, origin="catalog.toml")


@pytest.mark.parametrize("option", list(FileFormat.model_fields))
def test_an_option_of_a_format_is_documented(option: str) -> None:
    assert f"`{option}`" in REFERENCE.read_text(encoding="utf-8")
