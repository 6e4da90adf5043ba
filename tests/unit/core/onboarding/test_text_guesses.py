"""How bytes, lines, numbers and words are read before a catalog says it."""

from __future__ import annotations

import pytest

from streamflow.core.onboarding.cell_style import guess_style
from streamflow.core.onboarding.date_style import guess_dates
from streamflow.core.onboarding.outcome_words import Outcome, split_values
from streamflow.core.onboarding.text_encoding import describe_wrong_kind, guess_encoding
from streamflow.core.onboarding.text_layout import guess_layout


@pytest.mark.parametrize(
    ("samples", "separator", "style"),
    [
        ({"a": ["1", "2.5"]}, ",", (".", "", ())),
        ({"a": ["1,234", "2,345"]}, ",", (".", ",", ())),
        ({"a": ["1,234", "2,345"]}, ";", (",", "", ())),
        ({"a": ["1,5"], "b": ["2.5"], "c": ["3.5"]}, ";", (".", "", ())),  # most columns decide
        ({"a": ["1.234,5"], "b": ["1.234"]}, ";", (",", ".", ())),
        ({"a": ["1 234,50", "9,00"]}, ";", (",", " ", ())),
        ({"a": ["$1,001.50", "-$2.00"]}, ",", (".", ",", ("$",))),
        ({"a": ["12 %", "NA"]}, ",", (".", "", ("%",))),
        ({"a": ["+4930", "1.2.3", "007"]}, ",", (".", "", ())),
    ],
)
def test_the_style_in_which_most_columns_are_numbers(
    samples: dict[str, list[str]], separator: str, style: tuple[str, str, tuple[str, ...]]
) -> None:
    guess = guess_style(samples, separator=separator)
    assert (guess.style.decimal, guess.style.thousands, guess.signs) == style


def test_a_date_that_could_be_two_is_said() -> None:
    guess = guess_dates({"a": ["01/02/2024", "03/04/2024"]})
    assert guess is not None
    assert guess.date_form == "DD/MM/YYYY"
    assert "they could also be MM/DD/YYYY" in guess.reason
    assert guess_dates({"a": ["2024-01-31"], "b": ["12.5.7"]}) is None


@pytest.mark.parametrize(
    ("values", "name", "outcome"),
    [
        (("No", "Yes"), "", Outcome(true=("Yes",), false=("No",))),
        (("Churned", "Stayed"), "", Outcome(true=("Churned",), false=("Stayed",))),
        (("Inactive", "active"), "", Outcome(true=("Inactive",), false=("active",))),
        (("Inaktiv", "aktiv"), "", Outcome(true=("Inaktiv",), false=("aktiv",))),
        (("Not churned", "churned"), "", Outcome(true=("churned",), false=("Not churned",))),
        (("0", "1"), "is_active", Outcome(true=("0",), false=("1",))),
        (("FALSE", "TRUE", "0"), "", Outcome(true=("TRUE",), false=("FALSE", "0"))),
        (("Yes", "maybe"), "", None),
        ((), "", None),
    ],
)
def test_the_words_for_who_left(
    values: tuple[str, ...], name: str, outcome: Outcome | None
) -> None:
    assert split_values(values, name=name) == outcome


def test_bytes_that_windows_1252_does_not_have_are_latin_1() -> None:
    guess = guess_encoding(b"caf\xe9 \x81", is_utf8=False, undefined=frozenset({0x81}))
    assert guess.encoding == "iso-8859-1"
    assert "0x81" in guess.reason
    assert guess_encoding(b"caf\xe9", is_utf8=False, undefined=frozenset()).encoding == (
        "windows-1252"
    )


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"\xd0\xcf\x11\xe0", "a.xls"), (b"\x1f\x8b", "a.csv"), (b"id", "a.gz"), (b"PAR1", "a.csv")],
)
def test_a_file_that_is_not_what_its_name_says(head: bytes, name: str) -> None:
    assert describe_wrong_kind(head, name)


def test_the_separator_is_the_one_that_cuts_all_records_alike() -> None:
    layout = guess_layout('id;name;fee\n1;"Doe, Jane; Dr";1,5\n2;Roe, R;2,5\n')
    assert (layout.separator, layout.skip_lines) == (";", 0)
    assert guess_layout("id\n1\n2\n").separator == ","
    assert guess_layout("a title, with a comma\nid,x,y\n1,2,3\n4,5,6\n").skip_lines == 0
    assert guess_layout("a title\n\nid,x,y\n1,2,3\n").skip_lines == 2
