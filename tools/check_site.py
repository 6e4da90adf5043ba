"""Check the links of the documentation site: each leads to a file and a heading of the site.

It also checks that no page loads anything from a different host, that the search of a version knows
each of its pages, and that the list of the versions is complete. `make docs` runs it after the
build.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attribute -> the elements whose attribute loads something when a person opens the page.
LOADING = {"src": None, "href": ("link",)}


@dataclass
class Page(HTMLParser):
    """The ids and the links of a page.

    Attributes:
        ids: what an anchor can name
        links: the addresses of links and pictures
        loaded: the addresses that a browser loads by itself
    """

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin as a parser."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the id and the addresses of an element."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in LOADING and value is not None:
                tags = LOADING[name]
                (self.loaded if tags is None or tag in tags else self.links).append(value)


def read_page(path: Path) -> Page:
    """Read a page of the site."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def find_faults(site: Path) -> Iterator[str]:
    """Yield a sentence for each fault of the site."""
    pages = {path: read_page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{name}: it loads {address} from a different host"
        for address in (*page.links, *page.loaded):
            if not _is_good(address, path, pages, site):
                yield f"{name}: {address} leads nowhere"
    folders = {path.parent for path in site.glob("*/search.json")}
    for folder in sorted(folders):
        yield from _find_unknown_pages(folder, pages)
    listed = {entry["version"] for entry in json.loads((site / "versions.json").read_text())}
    for name in sorted(listed ^ {folder.name for folder in folders}):
        yield f"versions.json: {name} has no folder, or is not listed"


def _find_unknown_pages(folder: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Yield a sentence for each page of a version that its search does not know."""
    items = json.loads((folder / "search.json").read_text())["items"]
    known = {item["location"].partition("#")[0] for item in items}
    for path in pages:
        if path.is_relative_to(folder):
            location = path.relative_to(folder).as_posix()
            if location not in known:
                yield f"{folder.name}/{location}: the search does not know it"


def _is_good(address: str, path: Path, pages: dict[Path, Page], site: Path) -> bool:
    """Return whether an address is outside the site, or leads to a file and an id in it."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    folder = site if parts.path.startswith("/") else path.parent
    target = (folder / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return False
    return not parts.fragment or unquote(parts.fragment) in pages[target].ids


def main(site: Path) -> int:
    """Print each fault. Return 1 if there is one."""
    faults = sorted(set(find_faults(site)))
    for fault in faults:
        print(fault)
    print(f"{len(list(site.rglob('*.html')))} pages, {len(faults)} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
