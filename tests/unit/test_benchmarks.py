"""The benchmarks run rarely, so the names that they import are looked up here."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.name for path in BENCHMARKS.glob("*.py")))
def test_what_a_benchmark_imports_of_streamflow_is_there(name: str) -> None:
    tree = ast.parse((BENCHMARKS / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streamflow"):
            module = import_module(node.module or "")
            for imported in node.names:
                is_there = hasattr(module, imported.name)
                assert is_there or import_module(f"{node.module}.{imported.name}")
