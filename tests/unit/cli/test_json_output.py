"""What --json prints is JSON, whatever the numbers are."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import called


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_a_number_that_does_not_exist_is_null(tmp_path: Path) -> None:
    """With one user there is no AUC."""
    said = called(tmp_path, "simulate", "drops", "--users", "1", "--months", "1", "--json")
    assert said.returncode == 0, said.stderr
    receipt = json.loads(said.stdout, parse_constant=refuse_constant)
    assert (receipt["rows"], receipt["best_aucs"]) == ([1], [None])
