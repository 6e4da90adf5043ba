"""The notebook of the documentation runs, and each cell shows something."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from conftest import Cluster

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "churn.py"


def _read_cells() -> list[str]:
    """Return the text of each cell of code, with its lines where they are in the file."""
    cells = []
    text = NOTEBOOK.read_text(encoding="utf-8")
    line_number = 0
    for cell in text.split("# %%"):
        if not cell.startswith(" [markdown]"):
            cells.append("\n" * line_number + cell)
        line_number += cell.count("\n")
    return cells


def _run_cell(cell: str, names: dict[str, Any]) -> str:
    """Run a cell, and return what a notebook would show of its last expression."""
    tree = ast.parse(cell)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, NOTEBOOK, "exec"), names)  # noqa: S102 - our own file
        return ""
    statements = ast.Module(body=tree.body[:-1], type_ignores=[])
    exec(compile(statements, NOTEBOOK, "exec"), names)  # noqa: S102
    value = eval(compile(ast.Expression(last.value), NOTEBOOK, "eval"), names)  # noqa: S307
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)


def test_the_notebook_runs_from_its_first_cell_to_its_last(
    cluster: Cluster, installation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = cluster.variables(installation, tmp_path / "home")
    del variables["STREAMFLOW_HOME"]  # the notebook names its own
    variables["STREAMFLOW_TREES"] = "5"
    variables["STREAMFLOW_TRAIN_FIGURES"] = "false"  # no cell shows them
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    with mpl.rc_context({"backend": "Agg", "figure.dpi": 40}):
        figures: list[str] = []

        def look() -> None:
            """Note what is on the x axis of a figure, in the place of a person who looks at it."""
            axes = plt.gca()
            assert axes.has_data()
            figures.append(axes.get_xlabel())
            plt.close()

        monkeypatch.setattr(plt, "show", look)
        shown = [_run_cell(cell, names) for cell in _read_cells()]
    unit = names["reasons"].explanation.unit
    assert figures == ["monthly fee", "AUC on the hold-out", f"what the feature adds ({unit})"]
    tables = [text for text in shown if "<table" in text]
    assert len(tables) >= 12
    assert names["rebuilt"].result == "identical"
    assert len(names["trained"]) == 3
    assert set(names["verdicts"]) == set(names["trained"])
    assert names["user"] == names["answers"][names["rows"].key][0]
    assert names["drift"].model == names["reasons"].model
