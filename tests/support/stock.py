"""The vendors' own commands as shipped: `prefect` and `mlflow` in this process, `feast` in a fork.

A new process for each command would cost seconds of imports.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from click.testing import CliRunner

from streamflow.settings import temporary_environment
from support.fork_server import run_forked


class StockCommandFailed(AssertionError):
    """A vendor's command ended with an exit code other than 0."""


@contextmanager
def prefect_client_of(api_url: str) -> Iterator[None]:
    """Let Prefect's commands in the block ask this server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: api_url}):
        yield


def prefect(*arguments: str) -> str:
    """Run `prefect ARGUMENTS`, and return what it printed."""
    from prefect.testing.cli import CycloptsCliRunner

    result = CycloptsCliRunner().invoke(list(arguments))
    return _checked("prefect", arguments, result.exit_code, result.output)


def mlflow(*arguments: str) -> str:
    """Run `mlflow GROUP COMMAND …`, and return what it printed.

    The groups are those that `mlflow` itself puts together; its own module imports everything.
    """
    from mlflow import experiments, runs
    from mlflow.store.artifact import cli as artifacts

    groups = {
        "experiments": experiments.commands,
        "runs": runs.commands,
        "artifacts": artifacts.commands,
    }
    group, *command = arguments
    return _invoked("mlflow", groups[group], arguments, command)


def feast(*arguments: str) -> str:
    """Run `feast ARGUMENTS`, and return what it printed.

    It is a process of its own, because Feast closes its connections when the process ends.
    """
    done = run_forked("feast.cli.cli", *arguments, environment=os.environ)
    return _checked("feast", arguments, done.returncode, f"{done.stdout}{done.stderr}")


def _invoked(name: str, cli: Any, arguments: tuple[str, ...], command: list[str]) -> str:
    result = CliRunner().invoke(cli, command, env=dict(os.environ))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return _checked(name, arguments, result.exit_code, result.output)


def _checked(name: str, arguments: tuple[str, ...], exit_code: int, output: str) -> str:
    if exit_code:
        raise StockCommandFailed(f"{name} {' '.join(arguments)}: {exit_code}\n{output}")
    return output


@contextmanager
def vendors_on(variables: Mapping[str, str]) -> Iterator[None]:
    """Let the vendors' commands in the block work on this installation."""
    with temporary_environment(dict(variables)):
        yield
