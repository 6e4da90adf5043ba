"""A form that may be sent once, and what the pages for the engineer read from a request."""

import pytest
from fastapi import HTTPException

from streamflow.console import form_numbers
from streamflow.console.form_numbers import FormNumbers, FormSentBefore
from streamflow.console.forms import ForeignForm
from streamflow.console.requests import number_field, parse_day, parse_instant, text_field


def test_a_number_is_used_once() -> None:
    numbers = FormNumbers()
    number = numbers.give_out()
    numbers.use(number)
    for used in (number, "", "never given out"):
        with pytest.raises(FormSentBefore):
            numbers.use(used)


def test_the_oldest_numbers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_numbers, "MAX_NUMBERS", 2)
    numbers = FormNumbers()
    first, second, third = (numbers.give_out() for _ in range(3))
    numbers.use(third)
    numbers.use(second)
    with pytest.raises(FormSentBefore):
        numbers.use(first)


def test_fields_that_no_form_of_ours_sends_are_refused() -> None:
    assert number_field({"n": "12"}, "n") == 12
    for text in ("", "-1", "1.0", "²", "9" * 12, "9" * 5000):
        with pytest.raises(ForeignForm):
            number_field({"n": text}, "n")
    assert text_field({"why": "  a reason "}, "why") == "a reason"
    assert text_field({}, "why") == ""
    for text in ("a\0b", "x" * 2001):
        with pytest.raises(ForeignForm):
            text_field({"why": text}, "why")


def test_days_and_instants_have_a_time_zone() -> None:
    assert parse_day("2024-01-31").isoformat() == "2024-01-31T00:00:00+00:00"
    with pytest.raises(HTTPException):
        parse_day("31.1.2024")
    instant = parse_instant("2024-03-01T12:00:00")
    assert instant is not None
    assert instant.isoformat() == "2024-03-01T12:00:00+00:00"
    assert parse_instant("yesterday") is None
