"""Change each of the five levels of an installation, alone and by pairs.

Print what `reproduce` says.

Run it as its own process, on a copy of the package: code and environment are really changed on
disk.
It prints JSON on stdout.
Arguments: version, an empty folder, a superuser's connection string, a key.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import combinations
from pathlib import Path

import psycopg

import streamflow
from streamflow.catalog import DEFAULT_PATH
from streamflow.core.versions.level_comparison import LEVELS
from streamflow.platform import open_platform
from streamflow.settings import Settings, load_settings
from streamflow.steps.versions.reproduce import reproduce

PACKAGE = Path(streamflow.__file__).parent
VIEW = "[views.usage_agg_30d_fv]\n"


@contextmanager
def changed_cell(administrator: str, key: str) -> Iterator[None]:
    """One cell, under the trigger's nose."""
    disable = "ALTER TABLE frozen.usage_agg_30d DISABLE TRIGGER frozen"
    enable = "ALTER TABLE frozen.usage_agg_30d ENABLE TRIGGER frozen"
    update = (
        "UPDATE frozen.usage_agg_30d SET skips_7d = skips_7d {} 1"
        " WHERE user_id = %s AND as_of = '2024-01-31 00:00Z'"
    )
    for step, sign in (("there", "+"), ("back", "-")):
        with psycopg.connect(administrator) as connection:
            connection.execute(disable)
            assert connection.execute(update.format(sign), [key]).rowcount == 1, step  # type: ignore[arg-type]
            connection.execute(enable)
        if step == "there":
            yield


@contextmanager
def changed_file() -> Iterator[None]:
    """A comment more in one source file."""
    path = PACKAGE / "core" / "training" / "split.py"
    before = path.read_bytes()
    path.write_bytes(before + b"# changed\n")
    yield
    path.write_bytes(before)


@contextmanager
def changed_package(folder: Path) -> Iterator[None]:
    """Another version of a package, first on the path."""
    told = folder / "rich-0.0.1.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: rich\nVersion: 0.0.1\n")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    (told / "METADATA").unlink()
    told.rmdir()


def changed_catalog(folder: Path) -> Path:
    """Another definition of a view: its rows are valid for 40 days."""
    path = folder / "catalog.toml"
    text = DEFAULT_PATH.read_text()
    assert VIEW in text
    path.write_text(text.replace(VIEW, f"{VIEW}ttl_days = 40\n"))
    return path


def main() -> None:
    """Nothing changed, then each level alone, then each pair."""
    version, folder, administrator, key = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    catalog = changed_catalog(folder)
    said = {}
    for count in (0, 1, 2):
        for changed in combinations(LEVELS, count):
            flags: dict[str, object] = {"catalog": catalog} if "features" in changed else {}
            settings: Settings = load_settings(
                **flags, **({"trees": 9} if "configuration" in changed else {})
            )
            with ExitStack() as changes:
                if "data" in changed:
                    changes.enter_context(changed_cell(administrator, key))
                if "code" in changed:
                    changes.enter_context(changed_file())
                if "environment" in changed:
                    changes.enter_context(changed_package(folder / "site"))
                with open_platform(settings, must_be_migrated=False) as platform:
                    receipt = reproduce(platform, version)
            levels = {
                level.name: [level.count, *map(str, level.differences)]
                for level in receipt.levels
                if level.verdict != "same"
            }
            said[" ".join(changed)] = {
                "result": receipt.result,
                "levels": levels,
                "tampered": receipt.tampered,
            }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
