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
    (tmp_path / "index.html").write_text('<a href="1.0.0/a.html#x">1.0.0</a>')
    versions = [{"version": "1.0.0"}, {"version": "0.9.0"}]
    (tmp_path / "versions.json").write_text(json.dumps(versions))
    folder = tmp_path / "1.0.0"
    folder.mkdir()
    (folder / "a.html").write_text(
        '<h1 id="x"></h1><a href="b.html#y">y</a><a href="#x">x</a><a href="c.html">c</a>'
        '<a href="https://example.com">e</a><img src="p.png">'
        '<script src="https://example.com/s.js"></script>'
    )
    (folder / "b.html").write_text("<p></p>")
    search = {"items": [{"location": "a.html#x"}]}
    (folder / "search.json").write_text(json.dumps(search))
    assert set(tools[1].find_faults(tmp_path)) == {
        "1.0.0/a.html: b.html#y leads nowhere",
        "1.0.0/a.html: c.html leads nowhere",
        "1.0.0/a.html: p.png leads nowhere",
        "1.0.0/a.html: it loads https://example.com/s.js from a different host",
        "1.0.0/b.html: the search does not know it",
        "versions.json: 0.9.0 has no folder, or is not listed",
    }


def test_the_versions_of_a_site_are_listed_with_the_newest_release_first(
    tools: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    for name in ("1.9.0", "1.10.0", "unreleased", "images"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("<p></p>")
    tools[0].write_list(tmp_path)
    entries = json.loads((tmp_path / "versions.json").read_text(encoding="utf-8"))
    assert [entry["version"] for entry in entries] == ["1.10.0", "1.9.0", "unreleased"]
    assert [entry["aliases"] for entry in entries] == [["latest"], [], []]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.index("1.10.0/index.html") < page.index("1.9.0/index.html")
