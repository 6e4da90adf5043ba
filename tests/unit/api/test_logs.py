"""The log of the API: what of libraries, warnings and exceptions gets into it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from streamflow.web.logs import describe

KEY = "7590-VHVEG"
PROGRAM = f"""
import logging, warnings
from streamflow.web.logs import open_log
log = open_log({{form!r}}, "info")
log.debug("hidden")
log.info("request", status=200)
logging.getLogger("some.library").warning("no row of %s", "{KEY}")
logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "port 1")
logging.getLogger("uvicornish").error("{KEY}")
warnings.warn("a cell {KEY}")
try:
    raise ValueError("{KEY}") from KeyError("{KEY}")
except ValueError as error:
    logging.getLogger("some.library").exception("of {KEY}")
    log.error("request", exc_info=error)
"""


def logged(form: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(form=form)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_every_line_is_json_with_time_level_and_event_first() -> None:
    done = logged("json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr == ""
    assert all(list(line)[:3] == ["time", "level", "event"] for line in lines)
    assert [(line["level"], line.get("logger")) for line in lines] == [
        ("info", None),
        ("warning", "some.library"),
        ("info", "uvicorn.error"),
        ("error", "uvicornish"),
        ("warning", "py.warnings"),
        ("error", "some.library"),
        ("error", None),
    ]
    assert lines[2]["event"] == "Uvicorn running on port 1"
    assert lines[1]["event"] == "a message at <string>:7"


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_a_library_or_an_exception_quotes_is_left_out(form: str) -> None:
    done = logged(form)
    text = done.stdout + done.stderr
    assert KEY not in text
    assert "hidden" not in text
    assert text.count("builtins.ValueError") == text.count("builtins.KeyError") == 2
    assert (done.stdout == "") == (form == "console")


def test_an_exception_is_described_with_its_causes_and_places() -> None:
    try:
        try:
            {}[KEY]  # type: ignore[index]
        except KeyError:
            causes = [ValueError(KEY), OSError(KEY)]
            raise ExceptionGroup(KEY, causes)  # noqa: B904  # the test needs the context
    except ExceptionGroup as error:
        lines = describe(error).splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [
        "builtins.ExceptionGroup",
        "because of",
        "builtins.ValueError",
        "because of",
        "builtins.OSError",
        "because of",
        "builtins.KeyError",
    ]
    places = [line for line in lines if line.startswith("  ")]
    assert len(places) == 2
    assert all(
        "test_an_exception_is_described_with_its_causes_and_places" in place for place in places
    )


def test_a_cycle_of_causes_ends() -> None:
    first, second = ValueError(KEY), TypeError(KEY)
    first.__cause__, second.__cause__ = second, first
    assert describe(first) == "builtins.ValueError\nbecause of\nbuiltins.TypeError"
