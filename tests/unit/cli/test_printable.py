"""No text that somebody else wrote acts on a terminal."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import called

from streamflow.cli.context import Invocation, print_table, show
from streamflow.cli.printable import one_line, printable
from streamflow.receipt import to_json

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\rforged\u202egnp\x7f"


def acting(text: str) -> list[str]:
    """The control and direction characters of a text but the newline."""
    return [
        character
        for character in text
        if unicodedata.category(character) == "Cc" and character != "\n"
    ]


def test_a_receipt_a_table_and_json_are_printed_without_escape_sequences(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show({"why": HOSTILE}, as_json=False, text=lambda receipt: f"[OK] {receipt['why']}")
    show({"why": HOSTILE}, as_json=True, text=str)
    print_table("Keys", ["name"], [[HOSTILE]])
    output = capsys.readouterr().out
    assert acting(output) == []
    assert "\u202e" not in output
    assert output.count("owned") == 3


@pytest.mark.parametrize("text", ["http://[fd00:a:b::1]:8400", ":fire:", "/srv/[new]", "[/a] :x:"])
def test_a_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """As a cell, as a title and as progress: no part is taken for markup or for an emoji."""
    print_table(text, [text], [[text]])
    Invocation(flags={}, debug=False, quiet=False).notify(text)
    printed = capsys.readouterr()
    assert printed.out.count(text) == 3
    assert text in printed.err


def test_a_long_line_of_progress_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """A path that is broken into two lines of a log cannot be searched for, or copied."""
    text = f"http://127.0.0.1:8400  {'long/' * 99}"
    Invocation(flags={}, debug=False, quiet=False).notify(text)
    assert capsys.readouterr().err == f"… {text}\n"


def test_the_log_of_a_service_acts_on_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/api.log").write_text(f"first\n{HOSTILE}\n", encoding="utf-8")
    said = called(tmp_path, "logs", "api")
    assert acting(said.stdout) == []
    assert said.stdout.startswith("first\n")
    assert "owned" in said.stdout


@given(st.text())
def test_json_keeps_its_meaning(text: str) -> None:
    assert json.loads(printable(to_json({"why": text}))) == {"why": text}


@given(st.text())
def test_a_typed_text_stays_on_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert acting(line) == []
    assert printable(line) == line


def test_letters_of_every_script_are_kept() -> None:
    text = "Zoë, 顧客, عميل, 👩‍💻"
    assert one_line(text) == text
