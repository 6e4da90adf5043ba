"""Clients that are generated from the OpenAPI document of the API, as its users generate them."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TYPESCRIPT = Path(__file__).parents[1] / "clients" / "typescript"
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
    generator = packages / "openapi-typescript" / "bin" / "cli.js"
    compiler = packages / "typescript" / "bin" / "tsc"
    finish(folder, node, str(generator), "openapi.json", "-o", "schema.ts")
    finish(folder, node, str(compiler), "-p", ".")
    return json.loads(finish(folder, node, "client.js", *arguments))


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
