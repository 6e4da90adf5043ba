"""Prepared installations for blocks of pages, and whoever reads the pages there.

A page says with `<!-- run in: PLACE -->` above a block where it runs. A place is the name of a
state (`STATES`), and then words after commas:

- `with keys`: the API asks for keys;
- `a copy`: the page has an installation of its own, because its blocks change what others need;
- `long`: `make prove` runs it, and `make test` does not.

One installation of each place is used for all pages, in the order of their names.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from uuid import uuid4

from conftest import CHEAP, Cluster

from streamflow.steps.serving.api_keys import create_key
from support.api import served
from support.console import Block, open_session, read_blocks
from support.page_blocks import Reader
from support.states import JANUARY_SERVED, MIGRATED, THREE_VERSIONS, State, in_state

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
STATES = {
    "migrated": MIGRATED,
    "real months": MIGRATED,  # with the default settings; the numbers have to be those of the page
    "served": JANUARY_SERVED,
    "two promotions": THREE_VERSIONS,
}
WITH_KEYS, COPY, LONG = "with keys", "a copy", "long"


@dataclass(frozen=True, order=True)
class Place:
    """Where blocks run: the mark of the page, and the page if it has a copy of its own."""

    mark: str
    page: str = ""

    @property
    def state(self) -> State:
        return STATES[self.mark.split(", ")[0]]

    @property
    def words(self) -> set[str]:
        return set(self.mark.split(", ")[1:])

    @property
    def is_real(self) -> bool:
        return self.mark.startswith("real months")

    @property
    def is_long(self) -> bool:
        return LONG in self.words

    def __str__(self) -> str:
        return f"{self.mark}: {self.page}" if self.page else self.mark

    def list_blocks(self) -> list[tuple[str, Block]]:
        """Return each block that runs here, with its page."""
        return [
            (page, block)
            for page, block in list_blocks()
            if block.state == self.mark and self.page in ("", page)
        ]


def list_blocks() -> list[tuple[str, Block]]:
    """Return each console block of docs/, with its page."""
    return [
        (page.relative_to(ROOT).as_posix(), block)
        for page in PAGES
        for block in read_blocks(page.read_text("utf-8"))
    ]


def list_places() -> list[Place]:
    """Return each place that a page names, in the order of their names."""
    places = set()
    for page, block in list_blocks():
        if block.state:
            has_own = COPY in block.state.split(", ")
            places.add(Place(block.state, page if has_own else ""))
    return sorted(places)


def find_differences(place: Place, cluster: Cluster, drops: Path, folder: Path) -> list[str]:
    """Run all blocks of a place, and return what they print differently from their pages."""
    differences = []
    with ExitStack() as closing:
        reader = open_reader(place, cluster, drops, folder, closing)
        for page, block in place.list_blocks():
            try:
                differences += reader.read(page, block)
            except AssertionError as failure:  # of a hidden step
                return [*differences, f"{page}:{block.line_number}: {failure}"]
    return differences


def open_reader(
    place: Place, cluster: Cluster, drops: Path, folder: Path, closing: ExitStack
) -> Reader:
    """Open a terminal in a prepared installation."""
    platform = closing.enter_context(in_state(cluster, place.state, drops, folder / "home"))
    for link, target in {"data": drops, "deploy": ROOT / "deploy", "src": ROOT / "src"}.items():
        (folder / link).symlink_to(target)
    settings = platform.settings
    assert settings.database_url is not None
    variables = {
        "STREAMFLOW_HOME": str(platform.home),
        "STREAMFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        "STREAMFLOW_MLFLOW_DATABASE": settings.mlflow_database,
        "COLUMNS": "300",
    }
    for setting in () if place.is_real else {*CHEAP, *place.state.settings}:
        variables[f"STREAMFLOW_{setting.upper()}"] = str(getattr(settings, setting))
    has_keys = WITH_KEYS in place.words
    if has_keys:
        scraper = create_key(platform, "prometheus", scope="metrics", days=None)
        variables["METRICS_KEY"] = scraper.key
    page_names = {
        settings.mlflow_database: "mlflow",
        platform.login.database: "streamflow",
        "promoted by force": "promoted",
        f"│ {getuser()} ": "│ root ",
        f"by {getuser()}:": "by root:",
        str(folder / "home"): "/srv/churn/.streamflow",
        str(folder): "/srv/churn",
    }
    auth = {"STREAMFLOW_API_AUTH": "on" if has_keys else "off"}
    return Reader(
        session=closing.enter_context(open_session(folder, variables)),
        platform=platform,
        serve=lambda: closing.enter_context(served(platform, extra=auth)),
        make_empty=_make_empty_installations(cluster, folder, page_names, closing),
        page_names=page_names,
        is_exact=place.is_real,
    )


def _make_empty_installations(
    cluster: Cluster, folder: Path, page_names: dict[str, str], closing: ExitStack
) -> Callable[[str], dict[str, str]]:
    def make(home: str) -> dict[str, str]:
        name = f"sf_page_{uuid4().hex[:12]}"
        cluster.make_empty(name)
        closing.callback(cluster.drop, name)
        page_names[f"{name}_mlflow"] = "mlflow"
        page_names[name] = "streamflow"
        return cluster.variables(name, folder / home)

    return make
