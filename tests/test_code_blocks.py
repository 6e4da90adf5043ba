"""The code blocks of README and docs that are not commands with `$`: each runs, or says why not.

A fenced block in a language (`python`, `toml`, `sh`, …) has one of these comments above it:

- `<!-- run by: FILE -->`: this test reads the block from the page and runs or checks it.
- `<!-- not run: REASON -->`.

A fenced block without a language, or with `text`, is a picture or the output of a program. Blocks
with `$` commands have the rules of `tests/test_documentation.py`.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import pgparse
import pytest
import yaml
from pydantic import SecretStr
from standardwebhooks import Webhook
from support.console import read_blocks

from streamflow.catalog import Catalog
from streamflow.catalog.parsing import DEFAULT_PATH
from streamflow.settings import load_settings

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (run by|not run): (.+) -->")
OUTPUT = {"text", "console"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # of the standard's examples
# Page -> the table of a catalog that its block is a part of; the empty tuple: of the whole.
CATALOG_PARTS: dict[str, tuple[str, ...]] = {
    "how-to/add-a-feature.md": ("tables", "subscriptions", "columns"),
    "how-to/bad-and-late-data.md": (),
    "how-to/derived-features.md": (),
    "how-to/events.md": (),
    "serving-missing.md": (),
}


@dataclass(frozen=True, kw_only=True)
class CodeBlock:
    """A block of code of a page, and the mark above it: its kind and its text."""

    page: str
    language: str
    code: str
    mark: tuple[str, str] | None


def read_code(page: Path) -> list[CodeBlock]:
    blocks = []
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        if block[2] in OUTPUT or re.search(r"^ *\$ ", block[3], re.MULTILINE):
            continue
        above = text[: block.start()].rstrip("\n").rpartition("\n")[2]
        mark = MARK.fullmatch(above.strip())
        blocks.append(
            CodeBlock(
                page=page.relative_to(ROOT).as_posix(),
                language=block[2],
                code=dedent(block[3]),
                mark=(mark[1], mark[2]) if mark else None,
            )
        )
    return blocks


def only_code(page: str) -> str:
    (block,) = read_code(ROOT / "docs" / page)
    return block.code


BLOCKS = [block for page in PAGES for block in read_code(page)]


# Page -> how many of its blocks nothing runs. The page says why, and a new one needs a line here.
NOT_RUN = {
    "docs/how-to/compose.md": 1,
    "docs/how-to/kubernetes.md": 1,
    "docs/scaling.md": 1,
    "docs/serving.md": 1,
}


def test_only_these_blocks_are_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = [
        (block.page, block.mark[1]) for block in BLOCKS if block.mark and block.mark[0] == "not run"
    ]
    number = len(BLOCKS)
    for page in PAGES:
        for block in read_blocks(page.read_text(encoding="utf-8")):
            number += 1
            if block.why_not_run:
                reasons.append((page.relative_to(ROOT).as_posix(), block.why_not_run))
    with capsys.disabled():
        print(f"\n{len(reasons)} of {number} blocks of the pages are not run:")
        for name, reason in sorted(reasons):
            print(f"  {name}: {reason}")
    assert Counter(name for name, _ in reasons) == NOT_RUN


def test_each_block_says_who_runs_it_or_why_nobody_does() -> None:
    unmarked = [(block.page, block.code) for block in BLOCKS if block.mark is None]
    assert unmarked == []
    for block in BLOCKS:
        assert block.mark is not None
        kind, text = block.mark
        if kind == "run by":
            test = (ROOT / text).read_text(encoding="utf-8")
            assert Path(block.page).name in test, f"{text} does not read {block.page}"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.language}")
def test_a_block_is_code_of_its_language(block: CodeBlock) -> None:
    if block.language == "python":
        compile(block.code, block.page, "exec")
    elif block.language == "toml":
        tomllib.loads(block.code)
    elif block.language == "yaml":
        yaml.safe_load(block.code)
    elif block.language == "sql":
        pgparse.parse(block.code)
    elif block.language == "sh":
        checked = subprocess.run(["bash", "-n"], input=block.code, text=True, check=False)
        assert checked.returncode == 0
    else:
        assert block.language in {"dockerfile", "typescript"}


@pytest.mark.parametrize("page", CATALOG_PARTS)
def test_a_part_of_a_catalog_is_one_that_a_catalog_may_have(page: str) -> None:
    """It is put into the catalog that comes with streamflow."""
    part: dict[str, Any] = tomllib.loads(only_code(page))
    for name in reversed(CATALOG_PARTS[page]):
        part = {name: part}
    values = tomllib.loads(DEFAULT_PATH.read_text(encoding="utf-8"))
    before = deepcopy(values)
    merge(values, part)
    assert values != before
    Catalog.model_validate(values)


def merge(values: dict[str, Any], part: dict[str, Any]) -> None:
    """Put a part into nested tables."""
    for name, value in part.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            merge(values[name], value)
        else:
            values[name] = value


@pytest.mark.parametrize("page", ["lifecycle.md", "how-to/lake.md", "how-to/spark.md"])
def test_the_settings_of_a_page_are_settings(page: str) -> None:
    shown = tomllib.loads(only_toml(page))
    settings = load_settings(**shown)
    texts = {name: str(show_secret(getattr(settings, name))) for name in shown}
    texts["lake"] = texts.get("lake", "").removeprefix("file://")  # of a folder
    assert {name: texts[name] for name in shown} == {k: str(value) for k, value in shown.items()}


def only_toml(page: str) -> str:
    (block,) = [block for block in read_code(ROOT / "docs" / page) if block.language == "toml"]
    return block.code


def show_secret(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def test_the_state_folder_of_ones_own_data_is_the_one_that_the_page_sets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page is your-own-data.md."""
    blocks = read_code(ROOT / "docs" / "how-to" / "your-own-data.md")
    export = next(block.code for block in blocks if block.code.startswith("export "))
    command = f'{export}printf %s "$STREAMFLOW_HOME"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    monkeypatch.setenv("STREAMFLOW_HOME", done.stdout)
    assert load_settings().home == Path(".streamflow-telco")


def test_the_catalog_of_a_stack_is_given_to_services_that_exist() -> None:
    shown = yaml.safe_load(only_code("how-to/compose.md"))
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert set(shown["services"]) <= set(services)
    assert all(service == shown["x-catalog"] for service in shown["services"].values())


def test_the_values_of_the_chart_are_ones_that_it_takes() -> None:
    """The page is how-to/kubernetes.md."""
    blocks = read_code(ROOT / "docs" / "how-to" / "kubernetes.md")
    shown = [yaml.safe_load(block.code) for block in blocks if block.language == "yaml"]
    chart = ROOT / "deploy" / "helm" / "streamflow"
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    for part in shown:
        merge(values, part)
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(values, schema)


def test_a_receiver_of_webhooks_verifies_them_as_the_page_says() -> None:
    body = json.dumps({"type": "promoted"})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, body),
    }
    names: dict[str, Any] = {"secret": SECRET, "body": body, "headers": headers}
    exec(only_code("how-to/webhooks.md"), names)  # noqa: S102 - our own page
    assert names["content"] == {"type": "promoted"}
    with pytest.raises(Exception, match="signature"):
        exec(only_code("how-to/webhooks.md"), {**names, "body": "{}"})  # noqa: S102
