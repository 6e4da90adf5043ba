"""What holds for the whole project.

Layers, documentation, lazy imports, no addresses in the locks.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from streamflow import errors
from streamflow.cli.app import app
from streamflow.settings import Settings
from streamflow.warehouse.roles import SCHEMA_VERSION

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]
HEAVY = ("pandas", "polars", "sklearn", "mlflow", "feast", "prefect", "sqlalchemy")
ERRORS = sorted(
    name
    for name, c in vars(errors).items()
    if inspect.isclass(c) and issubclass(c, errors.StreamflowError)
)


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_documented_and_shows_an_example(command: str) -> None:
    assert f"`{command}" in REFERENCE
    described = get_command(app).commands[command].help or ""  # type: ignore[attr-defined]
    assert "Example:" in described


@pytest.mark.parametrize("setting", sorted(Settings.model_fields))
def test_a_setting_is_documented(setting: str) -> None:
    assert f"| `{setting}` | `STREAMFLOW_{setting.upper()}` |" in REFERENCE


@pytest.mark.parametrize("error", [name for name in ERRORS if name != "StreamflowError"])
def test_an_error_is_documented_with_its_codes(error: str) -> None:
    found = getattr(errors, error)
    assert f"| `{error}` | {found.exit_code} | {found.http_status} |" in REFERENCE
    assert f" {error} " in (errors.__doc__ or ""), (
        "it lacks in the tree at the top of errors/__init__.py"
    )


def test_exit_codes_are_apart() -> None:
    codes = [getattr(errors, name).exit_code for name in ERRORS if name != "StreamflowError"]
    assert len(set(codes)) == len(codes)
    assert not {0, 1, 2, 70, 130} & set(codes)


HELP = """
import io, json, sys
from contextlib import redirect_stdout
from streamflow.cli.app import app
said = {}
for command in %r:
    with redirect_stdout(io.StringIO()) as out:
        try:
            app([*command.split(), "--help"], prog_name="streamflow")
        except SystemExit as done:
            vendors = {name.split(".")[0] for name in sys.modules} & set(%r)
            said[command] = [done.code or 0, out.getvalue(), sorted(vendors)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said_in_one_process() -> dict[str, tuple[int, str, list[str]]]:
    """Command -> the exit code of its help, its text, and the heavy vendors loaded so far."""
    words = HELP % (["", *COMMANDS], HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str, list[str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_no_heavy_vendor(
    said_in_one_process: dict[str, tuple[int, str, list[str]]], command: str
) -> None:
    code, words, loaded = said_in_one_process[command]
    assert (code, loaded) == (0, [])
    assert f"Usage: streamflow {command}".rstrip() in words


@pytest.mark.parametrize("lock", sorted(p.name for p in (ROOT / "requirements").glob("*.lock")))
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "--index-url" not in text


def test_the_lock_of_npm_has_hashes_and_no_address() -> None:
    """After `npm install --package-lock-only`, remove `resolved` and `funding` from it."""
    lock = ROOT / "tests" / "clients" / "typescript" / "package-lock.json"
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())


def test_the_schema_version_is_that_of_the_newest_script() -> None:
    scripts = sorted((ROOT / "src/streamflow/warehouse/migrations/versions").glob("[0-9]*.py"))
    assert scripts[-1].name.startswith(SCHEMA_VERSION)


@pytest.mark.parametrize(
    "module",
    sorted((ROOT / "src").rglob("*.py")),
    ids=lambda p: p.relative_to(ROOT / "src").as_posix(),
)
def test_a_module_stays_small(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 300


def test_no_process_of_ours_imports_from_the_current_folder() -> None:
    starts = re.compile(r"\[?\(?sys\.executable, +(?:\*\w+|\"(?!-P\"|-I\")[^\"]+\").*")
    found = [
        f"{path.name}: {line}"
        for path in (ROOT / "src").rglob("*.py")
        for line in starts.findall(path.read_text(encoding="utf-8"))
    ]
    # Its current folder is made for it.
    assert found == ['runtime.py: [sys.executable, "-m", *arguments],']
