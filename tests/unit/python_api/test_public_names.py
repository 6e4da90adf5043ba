"""What `import streamflow` gives, and what it costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import streamflow as sf
from streamflow.python_api.installation import Installation, open_installation
from streamflow.receipt import Receipt

ROOT = Path(__file__).parents[3]
PUBLIC = ["Installation", "StreamflowError", "__version__", "errors", "open", "simulate"]
METHODS = [
    "close",
    "compare",
    "environment",
    "explain",
    "gate",
    "home",
    "honesty",
    "ingest",
    "materialize",
    "models",
    "monitor",
    "predict",
    "promote",
    "reproduce",
    "rollback",
    "score",
    "scores",
    "snapshot",
    "train",
    "training_set",
    "verify",
]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
NOTEBOOK = (ROOT / "docs" / "notebooks" / "churn.py").read_text(encoding="utf-8")


def test_these_names_are_public() -> None:
    assert sf.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(sf))
    assert sf.open is open_installation
    assert issubclass(sf.errors.VersionMissing, sf.StreamflowError)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sf.nothing  # type: ignore[attr-defined]


def test_the_types_say_the_same_names() -> None:
    stub = ast.parse((ROOT / "src/streamflow/__init__.pyi").read_text(encoding="utf-8"))
    names = {"__version__"}
    for statement in stub.body:
        if isinstance(statement, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in statement.names}
        if isinstance(statement, ast.Assign):
            assert ast.literal_eval(statement.value) == PUBLIC
    assert names == set(PUBLIC)
    assert (ROOT / "src/streamflow/py.typed").is_file()


def test_an_installation_has_these_methods() -> None:
    assert [name for name in dir(Installation) if not name.startswith("_")] == METHODS


@pytest.mark.parametrize("name", [*PUBLIC, *METHODS])
def test_a_public_name_is_documented(name: str) -> None:
    assert name in PAGE
    documented = getattr(sf, name, None) or getattr(Installation, name)
    assert name == "__version__" or documented.__doc__


def _return_class(function: Callable[..., Any]) -> type | None:
    """Return the class that a function returns, or None if its module does not import it.

    The modules import these classes for type checkers alone.
    """
    module = inspect.getmodule(function)
    assert module is not None
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == function.__annotations__.get("return"):
                    found = getattr(import_module(str(node.module)), alias.name)
                    return found if inspect.isclass(found) else None
    return None


def test_each_receipt_shows_itself_in_a_notebook() -> None:
    without_receipt = {"close", "environment", "home", "models", "scores"}
    methods = [getattr(Installation, name) for name in METHODS if name not in without_receipt]
    for function in [*methods, sf.simulate]:
        returned = _return_class(function)
        assert returned is not None, function
        assert issubclass(returned, Receipt), function


LOADED = """
import sys
before = set(sys.modules)
import streamflow
print(sorted(set(sys.modules) - before))
streamflow.open
heavy = {"feast", "mlflow", "pandas", "polars", "prefect", "psycopg", "sklearn", "typer"}
print(sorted(heavy & {name.split(".")[0] for name in sys.modules}))
"""


def test_an_import_loads_nothing_else_and_open_no_heavy_vendor() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["['streamflow']", "[]"]


def _calls(text: str) -> list[tuple[str, ast.Call]]:
    """Return each call of a method of `churn` or a function of `sf`, with its name."""
    return [
        (f"{node.func.value.id}.{node.func.attr}", node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("churn", "sf")
    ]


def _python_blocks(page: str) -> str:
    return "\n".join(block.partition("```")[0] for block in page.split("```python\n")[1:])


@pytest.mark.parametrize("text", [_python_blocks(PAGE), NOTEBOOK], ids=["page", "notebook"])
def test_each_call_that_is_shown_has_arguments_that_exist(text: str) -> None:
    calls = _calls(text)
    assert calls
    for name, call in calls:
        owner, _, attribute = name.partition(".")
        target = getattr(sf if owner == "sf" else Installation, attribute)
        instance = [] if owner == "sf" else [None]
        named = {keyword.arg: None for keyword in call.keywords if keyword.arg}
        inspect.signature(target).bind(*instance, *call.args, **named)
