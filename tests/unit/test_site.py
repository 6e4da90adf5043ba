"""The documentation site, without its generator: its pages, its links, and the check of them."""

from __future__ import annotations

import doctest
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import build_site
    import check_site

    yield build_site, check_site
    for name in ("build_site", "check_site"):
        sys.modules.pop(name)


def list_navigation(items: Any) -> Iterator[str]:
    for item in items:
        if isinstance(item, str):
            yield item
        else:
            for part in item.values():
                yield from list_navigation(part)


def test_the_navigation_has_each_page_once(tools: tuple[ModuleType, ModuleType]) -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    pages = list(list_navigation(project["nav"]))
    targets = tools[0].list_targets().values()
    decisions = {name for name in targets if name.startswith("decisions/0")}
    assert sorted(pages) == sorted({name for name in targets if name.endswith(".md")} - decisions)


def test_the_pages_are_written_as_their_examples_say(
    tools: tuple[ModuleType, ModuleType],
) -> None:
    assert doctest.testmod(tools[0]).failed == 0


def test_links_lead_to_the_place_that_their_target_has_in_the_site(
    tools: tuple[ModuleType, ModuleType],
) -> None:
    targets = {"README.md": "index.md", "docs/python.md": "python.md", "docs/b.py": "b.md"}

    def adapt(text: str, source: str) -> str:
        return str(tools[0].adapt_page(text, source, targets))

    assert adapt("[a](docs/python.md#x) ![p](docs/b.py)", "README.md") == (
        "[a](python.md#x) ![p](b.md)"
    )
    assert adapt("[a](../README.md) [b](#c)", "docs/python.md") == "[a](index.md) [b](#c)"
    assert adapt("see [a](Makefile)", "README.md") == "see a (`Makefile`)"
    code = "```\n[a](docs/python.md)\n```"
    assert adapt(code, "README.md") == code


def test_each_fault_of_a_site_is_found(
    tools: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="x"></h1><a href="b.html#y">y</a><a href="#x">x</a><a href="c.html">c</a>'
        '<a href="https://example.com">e</a><img src="p.png">'
        '<script src="https://example.com/s.js"></script>'
    )
    (tmp_path / "b.html").write_text("<p></p>")
    search = {"items": [{"location": "a.html#x"}]}
    (tmp_path / "search.json").write_text(json.dumps(search))
    assert set(tools[1].find_faults(tmp_path)) == {
        "a.html: b.html#y leads nowhere",
        "a.html: c.html leads nowhere",
        "a.html: p.png leads nowhere",
        "a.html: it loads https://example.com/s.js from a different host",
        "b.html: the search does not know it",
    }
