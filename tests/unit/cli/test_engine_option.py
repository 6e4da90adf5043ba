"""The option --engine: refused in clear words where a step runs on the local engine only."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from streamflow.cli.app import app


@pytest.mark.parametrize(
    "command", ["ingest drop --as-of 2024-01-31", "snapshot --as-of 2024-01-31", "materialize"]
)
def test_a_step_of_the_local_engine_says_so(command: str) -> None:
    refused = CliRunner().invoke(app, [*command.split(), "--engine", "spark"])
    assert refused.exit_code == 2
    assert "this step runs on the local engine" in " ".join(refused.output.split())


@pytest.mark.parametrize("command", ["training-set", "train", "monitor"])
def test_spark_without_an_address_is_a_wrong_setting(command: str) -> None:
    arguments = [command, "--as-of", "2024-01-31", "--engine", "spark"]
    refused = CliRunner().invoke(app, arguments)
    assert "spark needs spark_remote" in str(refused.exception)
