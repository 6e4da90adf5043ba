"""Clients that are generated from the OpenAPI document of the API, as its users generate them."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.console import read_blocks

TYPESCRIPT = Path(__file__).parents[1] / "clients" / "typescript"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "clients.md"
TEST = "tests/integration/test_api_clients.py"  # the mark of what is run here
# What npm says when it cannot reach a registry of packages.
NO_REGISTRY = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH")


def generate_python_client(document: dict[str, Any], folder: Path, name: str) -> ModuleType:
    """Generate the Python client of a document in a folder, and import it under this name."""
    from openapi_python_client import generate
    from openapi_python_client.config import Config, ConfigFile, MetaType

    source = folder / "openapi.json"
    source.write_text(json.dumps(document), encoding="utf-8")
    config = Config.from_sources(
        ConfigFile(post_hooks=[]),
        MetaType.NONE,
        document_source=source,
        file_encoding="utf-8",
        overwrite=False,
        output_path=folder / name,
    )
    warnings = generate(config=config)
    assert not warnings, warnings
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def run_typescript_client(document: dict[str, Any], folder: Path, *arguments: str) -> Any:
    """Generate, compile and run the TypeScript client, and return the JSON that it prints.

    The test is skipped where there is no Node.js, or no registry to get the packages from.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("the TypeScript client needs node and npm, and this machine lacks one")
    packages = install_packages(npm)
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    for name in ("package.json", "tsconfig.json", "client.ts"):
        shutil.copy(TYPESCRIPT / name, folder)
    (folder / "node_modules").symlink_to(packages)
    (folder / "page.ts").write_text(read_page_program(), encoding="utf-8")
    compiler = packages / "typescript" / "bin" / "tsc"
    (generate,) = [block for block in read_blocks(PAGE.read_text("utf-8")) if block.run_by == TEST]
    for command in generate.commands:
        finish(folder, *shlex.split(command.text))
    finish(folder, node, str(compiler), "-p", ".")
    printed = json.loads(finish(folder, node, "client.js", *arguments))
    printed["page"] = json.loads(finish(folder, node, "page.js", *arguments))
    return printed


def read_page_program() -> str:
    """Return the TypeScript of the page clients.md as a program with the address and the key."""
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"^```typescript\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names = "declare const process: { argv: string[] };\n"
    names += 'const [, , baseUrl, key = ""] = process.argv;\n'
    imports, _, rest = code.partition("\n\n")
    return f"{imports}\n{names}{rest}console.log(JSON.stringify({{ data, error }}));\n"


def install_packages(npm: str) -> Path:
    """Install the locked packages once, and return their folder. Later runs find them there."""
    packages = TYPESCRIPT / "node_modules"
    installed = packages / "lock-of-these"
    lock = (TYPESCRIPT / "package-lock.json").read_bytes()
    if installed.is_file() and installed.read_bytes() == lock:
        return packages
    command = [npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
    ended = subprocess.run(command, cwd=TYPESCRIPT, capture_output=True, text=True, check=False)
    if any(code in ended.stderr for code in NO_REGISTRY):
        pytest.skip("the TypeScript client needs a registry of npm packages: none can be reached")
    assert ended.returncode == 0, ended.stderr
    installed.write_bytes(lock)
    return packages


def finish(folder: Path, *command: str) -> str:
    """Run a command to its end in a folder, and return what it prints."""
    environment = {**os.environ, "NO_COLOR": "1"}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
