"""Every text that a page asks for is there, and every text is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

from streamflow.console import pages
from streamflow.console.navigation import NAVIGATION
from streamflow.console.texts import load_texts
from streamflow.steps.serving.trust import DROPS_SHOWN
from streamflow.steps.serving.user_record import ANSWERS_SHOWN

FOLDER = Path(pages.__file__).parent
NAME = re.compile(r"""\b(?:t|get)\(\s*f?["']([a-z_]+\.[a-z_{}.]+)["']([^)]*)""")
SOURCES = [*FOLDER.glob("*.py"), *FOLDER.glob("templates/*.html")]


def test_the_texts_are_those_that_the_pages_ask_for() -> None:
    texts = load_texts().texts
    asked = {match[1] for path in SOURCES for match in NAME.finditer(path.read_text())}
    for path in SOURCES:  # names that are chosen before they are asked for
        asked |= set(
            re.findall(
                r'"((?:nav|user|problem|at_risk|versions|gate|report|entry|promote)\.[a-z_]+)"',
                path.read_text(),
            )
        )
    asked |= {name for group in NAVIGATION for _, name in group.pages}
    asked |= {group.title for group in NAVIGATION}
    patterns = [re.sub(r"\{.*?\}", "[a-z]+", name) for name in asked]
    assert [name for name in sorted(asked) if "{" not in name and name not in texts] == []
    unused = [name for name in texts if not any(re.fullmatch(p, name) for p in patterns)]
    assert unused == []


def test_the_page_of_a_user_says_how_many_answers_it_has() -> None:
    note = load_texts().get("user.answers_note")
    assert f"newest {DROPS_SHOWN} scored drops" in note
    assert f"newest {ANSWERS_SHOWN} of the API" in note


def test_a_text_names_its_values() -> None:
    english = load_texts()
    for name, text in english.texts.items():
        fields = [field for _, field, _, _ in Formatter().parse(text) if field is not None]
        assert all(re.fullmatch("[a-z_]+", field) for field in fields), name
        values = dict.fromkeys(fields, "x")
        assert "{" not in english.get(name, **values), name
