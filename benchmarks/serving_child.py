"""A child process of `serving_start.py`. It imports no vendor of its own.

serve FILE ARGUMENTS…  run `streamflow ARGUMENTS`; once it is ready, write the names of its vendors'
                       modules to FILE, in the order of their import
trial                  import what the trial of a version imports, and print these names
import                 import the modules that standard input names, and end
"""

from __future__ import annotations

import importlib
import json
import sys
import sysconfig
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path


def main() -> None:
    match sys.argv[1:]:
        case ["import"]:
            for name in json.load(sys.stdin):
                importlib.import_module(name)
        case ["trial"]:
            from streamflow.models.version_trial import import_libraries

            import_libraries()
            print(json.dumps(_vendors()))
        case ["serve", file, *arguments]:
            port = arguments[arguments.index("--port") + 1]
            threading.Thread(
                target=_tell, args=(Path(file), f"http://127.0.0.1:{port}/ready"), daemon=True
            ).start()
            sys.argv = ["streamflow", *arguments]
            from streamflow.__main__ import main as streamflow

            streamflow()


def _tell(file: Path, url: str) -> None:
    while not _ready(url):
        time.sleep(0.2)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(_vendors()))
    part.rename(file)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310  # our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):  # not yet
        return False


def _vendors() -> list[str]:
    """What lies in site-packages and can be imported by its name."""
    folders = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    found = [
        (name, getattr(module, "__spec__", None)) for name, module in list(sys.modules.items())
    ]
    return [
        name
        for name, spec in found
        if spec is not None
        and spec.name == name
        and str(spec.origin).startswith(folders)
        and not name.startswith("streamflow")
    ]


if __name__ == "__main__":
    main()
