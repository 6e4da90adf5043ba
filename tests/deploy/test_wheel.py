"""The wheel: the same bytes twice, what it says about itself, and the software that it contains."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from email.message import Message
from email.parser import HeaderParser
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import spark_servers

import streamflow
from streamflow.cli.command_groups import EXTRA_OF_COMMAND, GROUPS
from streamflow.packages import DISTRIBUTION, EXTRAS, MODULES_OF_EXTRA, find_extra

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src", "sbom")
IMPORT = re.compile(r"^ *(?:from|import) (\w+)(?:\.\w+)*(?: import .*| as \w+)?$", re.MULTILINE)
# Modules of packages that come with a package of the extra.
INDIRECT = {"httptools", "markupsafe", "mlflow", "opentelemetry", "pandera", "starlette"}
VARIABLE = "STREAMFLOW_PROJECT_URL"
ADDRESS = "https://git.example.org/team/streamflow"
INFO = f"streamflow_churn-{streamflow.__version__}.dist-info"


def build_wheel(root: Path, folder: Path) -> Path:
    (wheel,) = WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"])
    return Path(wheel)


def read_metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        return HeaderParser().parsestr(archive.read(f"{INFO}/METADATA").decode())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel without links."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_two_builds_in_different_folders_at_different_times_are_the_same_bytes(
    wheel: Path, tmp_path: Path
) -> None:
    for name in SOURCES:
        if (ROOT / name).is_dir():
            # Not `copytree`'s default: the files get the time of now.
            shutil.copytree(ROOT / name, tmp_path / name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(ROOT / name, tmp_path / name)
    second = build_wheel(tmp_path, tmp_path / "dist")
    assert second.name == wheel.name
    assert sha256(second.read_bytes()).digest() == sha256(wheel.read_bytes()).digest()


def test_the_links_of_the_wheel_come_from_the_address_of_the_repository(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, ADDRESS)
    first = build_wheel(ROOT, tmp_path / "first")
    second = build_wheel(ROOT, tmp_path / "second")
    assert "no links" not in capsys.readouterr().err
    assert sha256(first.read_bytes()).digest() == sha256(second.read_bytes()).digest()
    assert read_metadata(first).get_all("Project-URL") == [
        f"Source, {ADDRESS}",
        f"Documentation, {ADDRESS}/tree/HEAD/docs",
        f"Changelog, {ADDRESS}/blob/HEAD/CHANGELOG.md",
        f"Issues, {ADDRESS}/issues",
    ]
    linked = set(read_metadata(first).items())
    assert {name for name, _ in linked ^ set(read_metadata(wheel).items())} == {"Project-URL"}
    for path in ("docs", "CHANGELOG.md"):
        assert (ROOT / path).exists()


def test_a_wheel_without_an_address_has_no_links_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wheel: Path
) -> None:
    metadata = read_metadata(wheel)
    assert (metadata.get_all("Project-URL"), metadata.get_all("Dynamic")) == (None, None)
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["ProjectUrls"](str(ROOT), {})
    monkeypatch.setenv(VARIABLE, "")
    hook.update({})
    said = capsys.readouterr().err
    assert said == "No address of the project is given: the wheel has no links.\n"


@pytest.mark.parametrize(
    "address",
    [
        "http://git.example.org/team/streamflow",
        "git@git.example.org:team/streamflow.git",
        f"{ADDRESS}.git",
        f"{ADDRESS}/",
        f"{ADDRESS}?tab=readme",
        f"{ADDRESS} ",
        f"{ADDRESS}\nClassifier: Private :: Do Not Upload",
        "https://name:secret@git.example.org/team/streamflow",
        "https://localhost/team/streamflow",
        "https://git.example.org",
    ],
)
def test_an_address_that_is_no_repository_on_the_web_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(ValueError, match="does not have the form https://HOST/OWNER/NAME"):
        build_wheel(ROOT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_has_a_list_of_the_software_in_it_and_the_licences(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        sbom = json.loads(archive.read(f"{INFO}/sboms/streamflow-churn.cdx.json"))
        for component in sbom["components"]:
            for file in component["components"]:
                digest = sha256(archive.read(file["name"])).hexdigest()
                assert file["hashes"] == [{"alg": "SHA-256", "content": digest}]
        licences = f"{INFO}/licenses/"
        names = [name for name in archive.namelist() if name.startswith(licences)]
    assert sbom["bomFormat"] == "CycloneDX"
    assert {part["name"] for part in sbom["components"]} == {"swagger-ui-dist", "redoc"}
    assert {Path(name).name for name in names} >= {"LICENSE", "redoc.LICENSE", "swagger-ui.LICENSE"}


def test_each_file_that_repeats_the_version_has_that_of_the_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So has the list of the software in the wheel, with the digests of its files."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    tool = runpy.run_path(str(ROOT / "tools" / "write_version.py"))
    assert tool["read_version"]() == streamflow.__version__ == version(DISTRIBUTION)
    assert tool["find_outdated"]() == [], "run 'make version'"


def test_each_page_names_the_wheel_of_this_version() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    numbers = {
        number
        for page in pages
        for number in re.findall(r"streamflow_churn-(\d[\w.]*)-", page.read_text(encoding="utf-8"))
    }
    assert numbers == {streamflow.__version__}


def test_the_changelog_has_the_version_with_its_day() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, newest = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)[:2]
    assert unreleased == "Unreleased"
    number, day = re.fullmatch(r"(\S+) \((\S+)\)", newest).groups()  # type: ignore[union-attr]
    assert (number, date.fromisoformat(day).isoformat()) == (streamflow.__version__, day)


def test_the_wheel_says_its_name_its_version_and_its_extras(wheel: Path) -> None:
    metadata = read_metadata(wheel)
    with ZipFile(wheel) as archive:
        commands = archive.read(f"{INFO}/entry_points.txt").decode()
    assert (metadata["Name"], metadata["Version"]) == (DISTRIBUTION, streamflow.__version__)
    assert set(metadata.get_all("Provides-Extra") or ()) == {*EXTRAS, "all"}
    assert "streamflow = streamflow.__main__:main" in commands


def list_requirements(extra: str) -> dict[str, str]:
    """Return the requirements of an extra, those of the extras that it names included."""
    texts = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    requirements = {}
    for requirement in map(Requirement, texts):
        if requirement.name == DISTRIBUTION:
            (smaller,) = requirement.extras
            requirements |= list_requirements(smaller)
        else:
            requirements[canonicalize_name(requirement.name)] = str(requirement)
    return requirements


def list_imports() -> Iterator[str]:
    """Yield each module that a file of ours imports at any place."""
    for path in (ROOT / "src" / "streamflow").rglob("*.py"):
        yield from IMPORT.findall(path.read_text(encoding="utf-8"))


def has_spark() -> bool:
    """Whether `make test` has installed Spark's client: `make setup` does not."""
    return spark_servers.make_importable()


@pytest.fixture(scope="module")
def owners() -> dict[str, set[str]]:
    """Each module -> the installed distributions that have it."""
    spark_servers.make_importable()  # before the installed packages are listed
    return {
        module: {canonicalize_name(owner) for owner in names}
        for module, names in packages_distributions().items()
    }


def test_each_module_that_we_import_is_in_the_default_or_in_an_extra(
    owners: dict[str, set[str]],
) -> None:
    """So that whoever misses it is told which extra to install."""
    base = set(list_requirements(""))
    unknown = {
        module
        for module in set(list_imports()) - sys.stdlib_module_names - {"streamflow"}
        if find_extra(module) is None and not base & owners.get(module, set())
    }
    assert unknown == {"psycopg_pool", "pydantic_core"}  # they come with psycopg and pydantic


def test_an_extra_brings_the_packages_of_its_modules_and_the_smaller_extra(
    owners: dict[str, set[str]],
) -> None:
    # Spark is for more than one machine: who installs `all` gets nothing of it.
    assert set(list_requirements("all")) == set(list_requirements("lake"))
    smaller: set[str] = set()
    for extra, modules in MODULES_OF_EXTRA.items():
        if extra == "spark" and not has_spark():
            pytest.skip("Spark's client is not installed: make test does it")
        required = set(list_requirements(extra))
        assert smaller <= required
        for module in set(modules) - INDIRECT:
            assert owners[module] & (required - smaller), f"{extra}: {module}"
        smaller = required


def test_each_command_with_an_extra_of_its_own_exists() -> None:
    commands = {command for group in GROUPS.values() for command in group}
    assert set(EXTRA_OF_COMMAND) <= commands
    assert set(EXTRA_OF_COMMAND.values()) <= set(EXTRAS)
